// Recognises the answers of Latchkey. A proxy, a captive portal or another server can also answer with a success.
import { unexpectedAnswer } from './latchkey-error.js';

/** Sends requests, and throws LatchkeyError for a success whose body is not JSON. */
export function jsonOnly(send: (request: Request) => Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    const response = await send(request);
    if (!response.ok || response.status === 204) return response;
    try {
      await response.clone().json();
      return response;
    } catch (cause) {
      // Other failures are a lost answer. The class of the error may be that of another realm.
      if ((cause as Error).name !== 'SyntaxError') throw cause;
      throw unexpectedAnswer(response, `HTTP status ${response.status} with a body that is not JSON`);
    }
  };
}

/** Returns true for a body with the members that the client uses. */
export type Expected = (body: unknown) => boolean;

export const isVerification: Expected = (body) =>
  hasTexts(body, 'id', 'status') && hasTexts((body as { delivery?: unknown }).delivery, 'status');

export const isRefreshedSession: Expected = (body) => hasTexts(body, 'token', 'refresh_token', 'expires_at');

const isSession: Expected = (body) => isRefreshedSession(body) && hasTexts(body, 'device_token');

/** A verification without an account is answered with a proof. */
export const isSessionOrProof: Expected = (body) => isSession(body) || hasTexts(body, 'proof');

export const isSignedToken: Expected = (body) => hasTexts(body, 'token');

/** The answer of a deletion. */
export const isEmpty: Expected = (body) => body === undefined;

/** Other problems are answered with 401, too, such as a wrong code. */
export async function isInvalidToken(response: Response): Promise<boolean> {
  if (response.status !== 401) return false;
  const read = () => response.clone().json() as Promise<{ code?: string }>;
  return (await read().catch(() => null))?.code === 'invalid_token';
}

function hasTexts(body: unknown, ...names: string[]): boolean {
  const members = (body ?? {}) as Record<string, unknown>;
  return names.every((name) => typeof members[name] === 'string');
}
