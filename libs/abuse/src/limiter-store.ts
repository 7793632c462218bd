import type { RateLimiterAbstract } from 'rate-limiter-flexible';

/** One limit: so many points in so many seconds. */
export interface LimiterOptions {
  readonly name: string;
  readonly points: number;
  readonly seconds: number;
}

/** Where limits are counted: the stores of rate-limiter-flexible that this server can use. */
export abstract class LimiterStore {
  abstract open(options: LimiterOptions): RateLimiterAbstract;
  /** Forgets counts that have expired. */
  abstract purge(): Promise<void>;
}
