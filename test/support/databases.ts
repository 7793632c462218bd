import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { DEFAULT_SCHEMA } from '#postgres';
import { migrateAll } from '#program';
import { openPool, withClient } from './postgres.js';
import { isFullScale } from './scale.js';
import { waitFor } from './wait.js';

const TEMPLATE = 'latchkey_migrated';
const TEMPLATE_LOCK = 1;

/** `pool.end()` resolves before its sockets are closed; servers under test close theirs on their own time, too. */
const CLOSED_WITHIN_MS = 10_000;

/** The services that a spec runs against. */
export interface Mode {
  readonly name: string;
  readonly redis: boolean;
}

export const POSTGRES_ALONE: Mode = { name: 'Postgres alone', redis: false };

/** The two ways to run Latchkey. Both keep every promise. */
export const modes: Mode[] = [
  POSTGRES_ALONE,
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Postgres and Redis', redis: true }] : []),
];

/**
 * The modes for a spec of behaviour that hardly depends on the stores, which specs of their own cover: one, the preferred
 * one if it can be tested, unless the run is at full scale.
 */
export function mainlyOn(preferred: 'postgres' | 'redis'): Mode[] {
  const found = modes.filter(({ redis }) => redis === (preferred === 'redis'));
  return isFullScale || found.length === 0 ? modes : found;
}

export interface TestDatabase {
  readonly url: string;
  /** Runs a statement as the superuser, behind the back of the server. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** Clones a migrated database for one spec, which takes a few milliseconds. */
export async function freshDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (admin) => {
    await admin.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [TEMPLATE]);
    if (rowCount === 0) await createTemplate(admin);
    await admin.query(`create database ${name} template ${TEMPLATE}`);
    // For the specs that query the tables without Latchkey's own connection settings.
    await admin.query(`alter database ${name} set search_path to ${DEFAULT_SCHEMA}, public`);
  });
  const pool = openPool(urlOf(name), 4);
  return {
    url: urlOf(name),
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop: async () => {
      await pool.end();
      await asAdmin((admin) => drop(admin, name));
    },
  };
}

/** Creates a database without tables. */
export async function emptyDatabase(): Promise<TestDatabase> {
  const database = await freshDatabase();
  await database.query(`drop schema ${DEFAULT_SCHEMA} cascade`);
  return database;
}

let redisesGiven = 0;

/**
 * Empties a Redis database that no other worker of Jest and no running server of this spec uses: servers that share
 * one would take each other's tasks. Database 0 is left alone, because REDIS_URL may name a Redis that others use.
 */
export async function freshRedis(): Promise<string> {
  const { TEST_REDIS_URL, TEST_WORKERS = '1', JEST_WORKER_ID } = process.env;
  const url = new URL(TEST_REDIS_URL as string);
  const admin = new Redis(url.href);
  const [, databases] = (await admin.config('GET', 'databases')) as [string, string];
  const workers = Number(TEST_WORKERS);
  const own = Math.floor((Number(databases) - 1) / workers);
  const worker = (Number(JEST_WORKER_ID) - 1) % workers;
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
  await migrateAll(urlOf(draft));
  await admin.query(`alter database ${draft} rename to ${TEMPLATE}`);
}

/** Waits for the end of the connections, because `drop database … with (force)` would break them. */
async function drop(admin: pg.Client, name: string): Promise<void> {
  const isUnused = async () => {
    const { rowCount } = await admin.query('select from pg_stat_activity where datname = $1', [name]);
    return rowCount === 0;
  };
  await waitFor(`the end of all connections to ${name}`, isUnused, CLOSED_WITHIN_MS).catch(() => {});
  await admin.query(`drop database ${name} with (force)`);
}

function asAdmin<T>(work: (admin: pg.Client) => Promise<T>): Promise<T> {
  return withClient(process.env.TEST_POSTGRES_URL as string, work);
}

function urlOf(database: string): string {
  const url = new URL(process.env.TEST_POSTGRES_URL as string);
  url.pathname = `/${database}`;
  return url.href;
}
