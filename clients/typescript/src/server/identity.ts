/** The user and the session of a token. The members are those of RFC 9068 and RFC 7662. */
export interface Identity {
  /** The id of the user. */
  readonly sub: string;
  /** The id of the session; null for a token that is older than sessions. */
  readonly sid: string | null;
  readonly scope: string;
  /** When the token expires, in seconds since 1970. */
  readonly exp: number;
}

/**
 * Returns the identity of a bearer token, or null if the token is not valid.
 *
 * @throws VerifierUnavailable if it cannot tell at the moment.
 * @throws VerifierMisconfigured if it cannot tell until its configuration is corrected.
 */
export type Verifier = (token: string) => Promise<Identity | null>;

/** The server, or its keys, cannot be reached: the token may be valid or not. */
export class VerifierUnavailable extends Error {
  override readonly name = 'VerifierUnavailable';

  constructor(
    message: string,
    readonly retryAfter: number | null = null,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The server refuses the requests of the verifier: a retry has the same result. */
export class VerifierMisconfigured extends Error {
  override readonly name = 'VerifierMisconfigured';
}

/** Reads claims. Anything without a user or an end is no identity. */
export function identityOf(claims: Readonly<Record<string, unknown>>): Identity | null {
  const { sub, sid = null, scope = '', exp } = claims;
  if (typeof sub !== 'string' || sub === '' || typeof exp !== 'number') return null;
  if (typeof scope !== 'string' || (sid !== null && typeof sid !== 'string')) return null;
  return { sub, sid, scope, exp };
}
