import { type Identity, type Verifier, VerifierMisconfigured, VerifierUnavailable } from './identity.js';

/** An answer to a request that is not let through (RFC 6750, section 3; RFC 9457). */
export interface Refusal {
  readonly status: 401 | 403 | 500 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export type Decision = { readonly identity: Identity } | { readonly refusal: Refusal };

/** The scope of a sign-in. Latchkey's own routes ask for it, too. */
const SCOPE = 'authentication';

const REFUSALS = {
  unauthenticated: { status: 401, title: 'There is no bearer token', challenge: 'Bearer' },
  invalid_token: {
    status: 401,
    title: 'The token is not valid',
    challenge: 'Bearer error="invalid_token"',
  },
  insufficient_scope: {
    status: 403,
    title: 'The token is for something else',
    challenge: `Bearer error="insufficient_scope", scope="${SCOPE}"`,
  },
  misconfigured: { status: 500, title: 'This server cannot verify tokens', challenge: null },
  unavailable: { status: 503, title: 'The token cannot be verified at the moment', challenge: null },
} as const;

/** Decides on a request by its `Authorization` header. */
export async function authenticate(authorization: string | undefined, verify: Verifier): Promise<Decision> {
  const token = bearerOf(authorization);
  if (token === null) return { refusal: refusal(authorization ? 'invalid_token' : 'unauthenticated') };
  try {
    const identity = await verify(token);
    if (!identity) return { refusal: refusal('invalid_token') };
    return identity.scope.split(' ').includes(SCOPE)
      ? { identity }
      : { refusal: refusal('insufficient_scope') };
  } catch (error) {
    if (error instanceof VerifierMisconfigured) return { refusal: refusal('misconfigured') };
    if (!(error instanceof VerifierUnavailable)) throw error;
    return { refusal: refusal('unavailable', { 'Retry-After': String(error.retryAfter ?? 1) }) };
  }
}

const LONGEST_TOKEN = 4_096;

/** Reads a bearer token (RFC 6750, section 2.1). Returns null for anything else. */
export function bearerOf(authorization: string | undefined): string | null {
  const [, token] = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(authorization ?? '') ?? [];
  return token === undefined || token.length > LONGEST_TOKEN ? null : token;
}

function refusal(code: keyof typeof REFUSALS, more: Record<string, string> = {}): Refusal {
  const { status, title, challenge } = REFUSALS[code];
  return {
    status,
    headers: {
      ...{ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
      ...(challenge === null ? {} : { 'WWW-Authenticate': challenge }),
      ...more,
    },
    body: { type: 'about:blank', title, status, code },
  };
}
