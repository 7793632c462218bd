import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { Rate } from '#config';

/** One rate limit. Limiters with the same name share their counts. */
export interface LimiterOptions extends Rate {
  readonly name: string;
}

/** Stores the counts of rate limits. Drivers open the limiters of rate-limiter-flexible. */
export abstract class LimiterStore {
  abstract open(options: LimiterOptions): RateLimiterAbstract;
  /** Deletes expired counts. */
  abstract purge(): Promise<void>;
}
