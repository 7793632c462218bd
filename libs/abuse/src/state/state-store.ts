/** A state and its version. */
export interface Found {
  /** Null: there is no state, or it has expired. */
  readonly text: string | null;
  /** The version that `write` compares (optimistic locking). */
  readonly tag: string | null;
}

export interface Change {
  readonly key: string;
  /** The tag with which the state was read. */
  readonly tag: string | null;
  readonly text: string;
  readonly ttlMs: number;
  /** Until this time (milliseconds since 1970) `held` lists the state. Null: it does not list it. */
  readonly heldUntil: number | null;
}

/**
 * Stores the states of the abuse policy for all processes. The store makes no decisions: callers read states, decide
 * and write them back. A write is atomic, and fails if another process has changed one of the states since it was read.
 * A store that cannot answer throws Unavailable and never says "absent".
 */
export abstract class StateStore {
  /** Returns the states in the order of the keys. */
  abstract read(keys: readonly string[]): Promise<Found[]>;

  /** Writes all changes and returns true, or writes none and returns false if one of the tags is outdated. */
  abstract write(changes: readonly Change[]): Promise<boolean>;

  /** Returns up to `limit` states whose `heldUntil` is after `now`. */
  abstract held(now: number, limit: number): Promise<{ key: string; text: string }[]>;

  /** Deletes what has expired. */
  abstract purge(): Promise<void>;
}

/** The store of the breaker's scope states: Redis if it is configured, otherwise Postgres. */
export abstract class BreakerStore extends StateStore {}

/** The store of the ledger (counts of guesses and of money): always Postgres, because it must survive the loss of Redis. */
export abstract class LedgerStore extends StateStore {}
