import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { identityOf, type Verifier, VerifierUnavailable } from './identity.js';

export interface SignedTokenOptions {
  /**
   * The issuer of the tokens, to the letter: the `PUBLIC_URL` of the Latchkey server. Without `PUBLIC_URL` it is
   * `http://localhost:<PORT>`, also where the server is reached at `http://127.0.0.1:<PORT>`.
   */
  readonly issuer: string;
  /** The name of this service, one of the server's `JWT_AUDIENCES`. A token for another service is refused. */
  readonly audience: string;
  /** Where the public keys are, if the server is not reached at its issuer. Default: `/.well-known/jwks.json` under the issuer. */
  readonly jwksUrl?: string;
  /** The longest wait for the keys. */
  readonly timeoutMs?: number;
}

/** The clocks of two machines differ. */
const CLOCK_TOLERANCE = '5s';

/** Failures that lie in the token. All others lie in the keys or on the way to them. */
const FAULTS_OF_TOKENS = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSMultipleMatchingKeys,
  errors.JWKSNoMatchingKey,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
];

/**
 * Verifies signed tokens (`POST /v1/session/jwt`) by the public keys of the server, without asking it for each token. A signed
 * token is valid until it expires, also after a sign-out.
 */
export function signedTokenVerifier(options: SignedTokenOptions): Verifier {
  const { issuer, audience, timeoutMs = 5_000 } = options;
  // jose checks neither if it is undefined.
  if (!issuer || !audience) throw new TypeError('signedTokenVerifier needs an issuer and an audience');
  const { jwksUrl = `${issuer.replace(/\/$/, '')}/.well-known/jwks.json` } = options;
  const keys = createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: timeoutMs });
  const expected = {
    issuer,
    audience,
    algorithms: ['ES256'],
    typ: 'at+jwt',
    clockTolerance: CLOCK_TOLERANCE,
  };
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, expected);
      return identityOf(payload);
    } catch (cause) {
      if (FAULTS_OF_TOKENS.some((fault) => cause instanceof fault)) return null;
      throw new VerifierUnavailable('the keys of the Latchkey server cannot be read', null, { cause });
    }
  };
}
