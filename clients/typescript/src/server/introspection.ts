import type { components } from '../api.js';
import {
  type Identity,
  identityOf,
  type Verifier,
  VerifierMisconfigured,
  VerifierUnavailable,
} from './identity.js';
import { RecentIdentities } from './recent-identities.js';

export type VerifierError = VerifierMisconfigured | VerifierUnavailable;

export interface IntrospectionOptions {
  /** Where the Latchkey server is reached. */
  readonly url: string;
  /** The credentials of this service in the server's `CLIENTS_FILE`, with the purpose `introspect`. */
  readonly clientId: string;
  readonly clientSecret: string;
  /**
   * Seconds for which the answer about a valid token is used again. A session that has ended is accepted for that long.
   * Default: 0, which asks for each request.
   */
  readonly cacheSeconds?: number;
  /** The longest wait for an answer. */
  readonly timeoutMs?: number;
  /**
   * Receives each failure, for the log. No message contains the secret. Default: writes the first VerifierMisconfigured to
   * `console.error`.
   */
  readonly onError?: (error: VerifierError) => void;
  /** Sends the requests. Default: `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

/** Asks the server about each token (RFC 7662), so that a session that has ended is refused at once. */
export function introspectionVerifier(options: IntrospectionOptions): Verifier {
  const { url, clientId, clientSecret, cacheSeconds = 0, timeoutMs = 5_000, onError = logFirst() } = options;
  if (!url || !clientId || !clientSecret)
    throw new TypeError('introspectionVerifier needs a url, a clientId and a clientSecret');
  const fetch = options.fetch ?? globalThis.fetch;
  const address = `${url.replace(/\/$/, '')}/oauth/introspect`;
  const authorization = basic(clientId, clientSecret);

  async function ask(token: string): Promise<Identity | null> {
    const response = await fetch(address, {
      method: 'POST',
      headers: { Authorization: authorization },
      body: new URLSearchParams({ token }),
      // A redirect would take the token elsewhere, and the answer would be that of another server.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw refusalOf(response);
    const answer = (await response.json()) as components['schemas']['Introspection'];
    if (typeof answer?.active !== 'boolean') throw new Error('the answer is not an introspection');
    return answer.active ? identityOf({ ...answer }) : null;
  }

  const recent = new RecentIdentities(cacheSeconds * 1_000);
  return async (token) => {
    try {
      return await recent.find(token, () => ask(token));
    } catch (cause) {
      const error = errorOf(cause);
      onError(error);
      throw error;
    }
  };
}

function errorOf(cause: unknown): VerifierError {
  if (cause instanceof VerifierMisconfigured || cause instanceof VerifierUnavailable) return cause;
  return new VerifierUnavailable('the Latchkey server does not answer', null, { cause });
}

/** Statuses that last until the configuration is corrected. */
const REASONS: Readonly<Record<number, string>> = {
  401: 'are clientId and clientSecret right, and has the client the purpose "introspect"?',
  404: 'is the url right, and has the server a CLIENTS_FILE?',
};

function refusalOf({ status, headers }: Response): VerifierError {
  const message = `the Latchkey server answers introspection with ${status}`;
  const reason = REASONS[status];
  if (reason) return new VerifierMisconfigured(`${message}: ${reason}`);
  const retryAfter = Number(headers.get('Retry-After') ?? Number.NaN);
  return new VerifierUnavailable(message, Number.isNaN(retryAfter) ? null : retryAfter);
}

/** Logs the first misconfiguration only: every request has the same one. */
function logFirst(): (error: VerifierError) => void {
  let hasLogged = false;
  return (error) => {
    if (hasLogged || !(error instanceof VerifierMisconfigured)) return;
    hasLogged = true;
    console.error(`${error.name}: ${error.message}`);
  };
}

/** Encodes credentials as RFC 6749, section 2.3.1, says: first as a form, then as Base64. */
function basic(id: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);
  return `Basic ${btoa(`${encode(id)}:${encode(secret)}`)}`;
}
