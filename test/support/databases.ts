import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { migrateAll } from '#program';

const TEMPLATE = 'latchkey_migrated';
const TEMPLATE_LOCK = 1;

/** A server that specs run against; absent ones leave out what would need them. */
export interface Mode {
  readonly name: string;
  readonly redis: boolean;
}

/** The two ways to run Latchkey. Everything that is promised is promised in both. */
export const modes: Mode[] = [
  { name: 'Postgres alone', redis: false },
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Postgres and Redis', redis: true }] : []),
];

export interface TestDatabase {
  readonly url: string;
  /** Runs a statement as the superuser, past everything the server does. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A migrated database of one's own, cloned in a few milliseconds. */
export async function freshDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => {
    await admin.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [TEMPLATE]);
    if (rowCount === 0) await createTemplate(admin);
    await admin.query(`create database ${name} template ${TEMPLATE}`);
  });
  const pool = new pg.Pool({ connectionString: urlOf(name), max: 4 });
  return {
    url: urlOf(name),
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop: async () => {
      await pool.end();
      await asAdmin((admin) => admin.query(`drop database ${name} with (force)`));
    },
  };
}

/** An empty database without tables. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const database = await freshDatabase();
  await database.query('drop schema public cascade');
  await database.query('create schema public');
  await database.query('drop schema bullmq cascade');
  return database;
}

/** As jest.config.mjs has it. */
const WORKERS = 2;
let redisesGiven = 0;

/**
 * An empty Redis database that no other worker of Jest, and no server that a spec has running already, uses: on one
 * they would do each other's tasks. The first one is left alone, since it may be somebody's.
 */
export async function freshRedis(): Promise<string> {
  const url = new URL(process.env.TEST_REDIS_URL as string);
  const admin = new Redis(url.href);
  const [, databases] = (await admin.config('GET', 'databases')) as [string, string];
  const own = Math.floor((Number(databases) - 1) / WORKERS);
  const worker = (Number(process.env.JEST_WORKER_ID) - 1) % WORKERS;
  const database = 1 + worker * own + (redisesGiven % own);
  redisesGiven += 1;
  await admin.select(database);
  await admin.flushdb();
  admin.disconnect();
  url.pathname = `/${database}`;
  return url.href;
}

async function createTemplate(admin: pg.Client): Promise<void> {
  const draft = `${TEMPLATE}_draft`;
  await admin.query(`drop database if exists ${draft}`);
  await admin.query(`create database ${draft}`);
  await migrateAll(urlOf(draft), null);
  await admin.query(`alter database ${draft} rename to ${TEMPLATE}`);
}

async function asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client(process.env.TEST_POSTGRES_URL);
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function urlOf(database: string): string {
  const url = new URL(process.env.TEST_POSTGRES_URL as string);
  url.pathname = `/${database}`;
  return url.href;
}
