import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Rate } from '#config';

/** One rate limit. Limiters with the same name share their counts. */
export interface LimiterOptions extends Rate {
  readonly name: string;
}

/** The points that are used up, and the time until they are forgotten. */
export interface Count {
  readonly points: number;
  readonly msLeft: number;
}

/** Stores the counts of rate limits. Drivers open the limiters of rate-limiter-flexible. */
export abstract class LimiterStore {
  abstract open(options: LimiterOptions): RateLimiterAbstract;
  /** Returns the counts with these keys of limiters in one round trip, in order; null where nothing is counted. */
  abstract read(keys: readonly string[]): Promise<(Count | null)[]>;
  /** Deletes expired counts. */
  abstract purge(): Promise<void>;
}
