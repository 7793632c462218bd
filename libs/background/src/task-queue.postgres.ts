import { Injectable } from '@nestjs/common';
import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq';
import pg from 'pg';
import { PostgresOptions } from '#postgres';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

const SCHEMA = 'bullmq';

/** More connections do not help: the workers of one queue wait for each other's row locks. */
const CONNECTIONS = 10;

@Injectable()
export class PostgresTaskQueue extends TaskQueue {
  readonly concurrency = 32;
  readonly queue: Queue;
  private readonly pool: pg.Pool;

  constructor({ url }: PostgresOptions) {
    super();
    this.pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      keepAlive: true,
      connectionTimeoutMillis: 2_000,
      query_timeout: 5_000,
      application_name: 'latchkey queue',
      // A commit need not wait for the disk: the sweep adds tasks again that a crash of Postgres lost.
      options: `-c search_path=${SCHEMA} -c synchronous_commit=off`,
    });
    this.pool.on('error', () => {}); // BullMQ reports the same error
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
   * BullMQ checks its tables once and remembers a failure permanently: its worker would then retry without a pause and
   * starve the process. So the start must fail when Postgres is lost at this moment.
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

/** Creates or updates BullMQ's own tables. Processes that start together wait for each other. */
export async function migrateTaskQueue(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}
