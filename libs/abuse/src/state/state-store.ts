/** A state and its version. */
interface Found {
  /** Null: there is no state, or it has expired. */
  readonly text: string | null;
  /** The version that `write` compares (optimistic locking). */
  readonly tag: string | null;
}

/** States, and the time at which they were read. */
export interface Reading {
  /** By the clock of the store, in milliseconds since 1970. */
  readonly now: number;
  /** In the order of the keys. */
  readonly found: readonly Found[];
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
  /** Reads states in one round trip. */
  abstract read(keys: readonly string[]): Promise<Reading>;

  /** Returns the tag that a state has after a change of it was written; undefined if only the store knows it. */
  abstract tagAfter(change: Change): string | undefined;

  /** Writes all changes in one round trip and returns true, or writes none and returns false if a tag is outdated. */
  abstract write(changes: readonly Change[]): Promise<boolean>;

  /** Returns up to `limit` states whose `heldUntil` is after `now`. */
  abstract held(now: number, limit: number): Promise<{ key: string; text: string }[]>;

  /** Deletes what has expired. */
  abstract purge(): Promise<void>;
}

/** The store of rate limits and of the breaker's scope states: Redis if it is configured, otherwise the ledger's store. */
export abstract class BreakerStore extends StateStore {}

/** The store of the ledger (counts of guesses and of money): always Postgres, because it must survive the loss of Redis. */
export abstract class LedgerStore extends StateStore {}
