/** The most connections of a process, by their use. */
export interface PoolShares {
  /** The pool of requests and tasks. */
  readonly pool: number;
  /** Connections that wait for notifications. */
  readonly listeners: number;
}

/** Divides DATABASE_POOL_SIZE. A process that does tasks of a queue in Postgres listens for new ones. */
export function sharePool(size: number, doesTasksOfPostgres: boolean): PoolShares {
  const listeners = doesTasksOfPostgres ? 1 : 0;
  return { pool: size - listeners, listeners };
}
