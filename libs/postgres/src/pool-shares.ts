/** The most connections of each pool of a process. */
export interface PoolShares {
  readonly requests: number;
  readonly queue: number;
}

/** More connections do not help the queue: the workers of one queue wait for each other's row locks. */
const MOST_FOR_QUEUE = 10;

/** One connection listens, and another one runs statements. */
const LEAST_FOR_QUEUE = 2;

/** Divides DATABASE_POOL_SIZE between the pools of a process. Redis needs no pool for the queue. */
export function sharePool(size: number, isQueueInPostgres: boolean): PoolShares {
  if (!isQueueInPostgres) return { requests: size, queue: 0 };
  const queue = Math.min(MOST_FOR_QUEUE, Math.max(LEAST_FOR_QUEUE, Math.floor(size / 3)));
  return { requests: size - queue, queue };
}
