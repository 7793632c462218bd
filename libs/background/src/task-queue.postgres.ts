import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq';
import pg from 'pg';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

const SCHEMA = 'bullmq';

/** More does not help: the workers of one queue wait for one another's row locks. */
const CONNECTIONS = 10;

export class PostgresTaskQueue extends TaskQueue {
  readonly concurrency = 32;
  readonly queue: Queue;
  private readonly pool: pg.Pool;

  constructor(url: string) {
    super();
    this.pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      keepAlive: true,
      connectionTimeoutMillis: 2_000,
      query_timeout: 5_000,
      application_name: 'latchkey queue',
      // A task that a crash of Postgres loses is found and added again by the sweep, so it need not wait for the disk.
      options: `-c search_path=${SCHEMA} -c synchronous_commit=off`,
    });
    this.pool.on('error', () => {}); // BullMQ reports it too
    this.queue = new Queue(QUEUE_NAME, { connection: this.pool }, createPostgresBackend) as unknown as Queue;
  }

  work(process: TaskProcessor, options: TaskWorkerOptions): Worker {
    return new Worker(
      QUEUE_NAME,
      process,
      { ...options, connection: this.pool },
      createPostgresBackend,
    ) as unknown as Worker;
  }

  /**
   * BullMQ looks at its tables once, and never forgets a failure to do so: a worker would then try without a pause
   * and starve the process. So a Postgres that is lost at this moment must end the start.
   */
  async ready(worker?: Worker): Promise<void> {
    await this.queue.waitUntilReady();
    await worker?.waitUntilReady();
  }

  async close(): Promise<void> {
    await this.queue.close();
    await this.pool.end();
  }
}

/** Creates or updates BullMQ's own tables. Processes that start together wait for one another. */
export async function migrateTaskQueue(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}
