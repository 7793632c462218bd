import { Injectable } from '@nestjs/common';
import {
  type BackendFactory,
  PostgresConnection,
  PostgresQueueBackend,
  Queue,
  runMigrations,
  Worker,
} from 'bullmq';
import pg from 'pg';
import {
  DatabaseSchemas,
  DEFAULT_SCHEMA,
  ensureSchema,
  onConnection,
  PostgresOptions,
  sessionSetup,
  withVerifiedTls,
} from '#postgres';
import { pausingAfterFailures } from './pausing-backend.js';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

const CONNECTIONS = 10;
const STATEMENT_TIMEOUT_MS = 5_000;

@Injectable()
export class PostgresTaskQueue extends TaskQueue {
  readonly concurrency = 32;
  readonly queue: Queue;
  private readonly pool: pg.Pool;
  private readonly createBackend: BackendFactory;

  constructor(
    { url, connections }: PostgresOptions,
    { queue: schema }: DatabaseSchemas = { tables: DEFAULT_SCHEMA, queue: DEFAULT_SCHEMA },
  ) {
    super();
    this.pool = openPool(url, schema, connections?.queue ?? CONNECTIONS);
    this.createBackend = (name, options, { withBlockingConnection } = {}) => {
      const connection = new SchemaConnection(this.pool, schema);
      return new PostgresQueueBackend(
        connection,
        name,
        { ...options, connection: this.pool },
        true,
        withBlockingConnection ? name : undefined,
      );
    };
    this.queue = new Queue(QUEUE_NAME, { connection: this.pool }, this.createBackend) as unknown as Queue;
  }

  work(process: TaskProcessor, options: TaskWorkerOptions): Worker {
    const { runRetryDelay = 0 } = options;
    const backend: BackendFactory = (...args) =>
      pausingAfterFailures(this.createBackend(...args), runRetryDelay);
    return new Worker(
      QUEUE_NAME,
      process,
      { ...options, connection: this.pool },
      backend,
    ) as unknown as Worker;
  }

  /**
   * BullMQ checks its tables once and remembers a failure permanently, so its worker would never find a task. So the
   * start must fail when Postgres is lost at this moment.
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

/** BullMQ would check its tables in the schema `bullmq`, whatever the search path of the pool is. */
class SchemaConnection extends PostgresConnection {
  override readonly schema: string;

  constructor(pool: pg.Pool, schema: string) {
    super(pool);
    this.schema = schema;
  }
}

function openPool(url: string, schema: string, max: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: withVerifiedTls(url),
    max,
    keepAlive: true,
    connectionTimeoutMillis: 2_000,
    query_timeout: STATEMENT_TIMEOUT_MS + 500,
    application_name: 'latchkey queue',
    // A commit need not wait for the disk: the sweep adds tasks again that a crash of Postgres lost.
    onConnect: sessionSetup({ schema, statementTimeoutMs: STATEMENT_TIMEOUT_MS, losesLastCommits: true }),
  });
  pool.on('error', () => {}); // BullMQ reports the same error
  return pool;
}

/** Creates or updates BullMQ's own tables. Processes that start together wait for each other. */
export async function migrateTaskQueue(url: string, schema = DEFAULT_SCHEMA): Promise<void> {
  await ensureSchema(url, schema);
  await onConnection(url, (client) => runMigrations(withoutCreateSchema(client), schema), {
    schema,
    statementTimeoutMs: 0,
  });
}

/** The schema exists, and `create schema if not exists` fails for a role that may not create one. */
function withoutCreateSchema(client: pg.Client): Pick<pg.Client, 'query'> {
  const query = (text: string, values?: unknown[]) =>
    client.query(text.startsWith('CREATE SCHEMA') ? 'select' : text, values);
  return { query } as Pick<pg.Client, 'query'>;
}
