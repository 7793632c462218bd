/** The answer of a cache: a copy, or the permission to store one. */
export type CacheAnswer =
  | { readonly copy: string }
  /** Null: the cache does not take part now. */
  | { readonly lease: string | null };

/** The longest that a copy is kept. */
export const LONGEST_COPY_MS = 60_000;

/**
 * Copies of what Postgres says about valid tokens, by the hash of the token. Postgres decides: a copy saves a look-up, and
 * every answer but a copy means that Postgres has to be asked.
 *
 * A copy is stored under a lease that was taken before Postgres was read. `forget` ends leases as it deletes copies, so a
 * look-up that began before a revocation cannot bring the token back, however late it ends.
 */
export abstract class TokenCache {
  /** Returns the copy, or takes the lease. Never throws, and gives up soon when the cache does not answer. */
  abstract find(hash: Buffer): Promise<CacheAnswer>;

  /** Stores a copy if the lease is still held. Never throws. */
  abstract store(hash: Buffer, lease: string, copy: string, ttlMs: number): Promise<void>;

  /**
   * Deletes copies and ends leases. Call it after the change is committed. When it resolves, no process has a copy from
   * before.
   *
   * @throws Unavailable when that is not certain. Repeating the call is safe.
   */
  abstract forget(hashes: readonly Buffer[]): Promise<void>;
}

/** The cache of an installation without one. */
export class NoTokenCache extends TokenCache {
  async find(): Promise<CacheAnswer> {
    return { lease: null };
  }

  async store(): Promise<void> {}

  async forget(): Promise<void> {}
}
