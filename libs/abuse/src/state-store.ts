/** A state as it was read. */
export interface Found {
  /** Null when there is none, or it has been forgotten. */
  readonly text: string | null;
  /** What `write` compares, to see that nobody has written in between. */
  readonly tag: string | null;
}

export interface Change {
  readonly key: string;
  /** The tag under which the state was found. */
  readonly tag: string | null;
  readonly text: string;
  readonly ttlMs: number;
  /** Milliseconds since 1970: until then `held` lists the state. Null: it does not. */
  readonly heldUntil: number | null;
}

/**
 * Where the state of decisions is kept, for all processes together. It decides nothing itself: whoever wants to change
 * states reads them, decides, and writes them back, which fails as a whole when another process was faster.
 * A store that cannot answer throws Unavailable and never says "absent".
 */
export abstract class StateStore {
  /** In the order of the keys. */
  abstract read(keys: readonly string[]): Promise<Found[]>;

  /** All changes, or none and false when one of the states is not what it was. */
  abstract write(changes: readonly Change[]): Promise<boolean>;

  /** States that are held at this time, at most so many. */
  abstract held(now: number, limit: number): Promise<{ key: string; text: string }[]>;

  /** Forgets what is over. */
  abstract purge(): Promise<void>;
}

/** Where the breaker counts: in Redis where there is one. */
export abstract class BreakerStore extends StateStore {}

/** Where guesses and money are counted: always in Postgres, because they must survive the loss of Redis. */
export abstract class LedgerStore extends StateStore {}
