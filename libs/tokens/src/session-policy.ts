/** Lifetimes, in milliseconds. `ttlMs` ≤ `refreshTtlMs` ≤ `maxAgeMs`. */
export abstract class SessionPolicy {
  /** Lifetime of a token. */
  abstract readonly ttlMs: number;
  /** The session ends when it is not refreshed for this time. */
  abstract readonly refreshTtlMs: number;
  /** The session ends this long after the sign-in, however often it is refreshed. */
  abstract readonly maxAgeMs: number;
  /** For this time after its first use a refresh token may be used again. */
  abstract readonly reuseWindowMs: number;
  /**
   * The number of an account that was not used for this time proves who holds the number now, not who the user is. At least `refreshTtlMs`.
   */
  abstract readonly recycledAfterMs: number;
  /** `new_account`: the sign-in creates another account. `refuse`: it is refused. */
  abstract readonly recycledNumbers: 'new_account' | 'refuse';
}
