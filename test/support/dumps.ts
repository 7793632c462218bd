import { Redis } from 'ioredis';
import type { TestDatabase } from './databases.js';

/** Returns all rows of all tables as text, or only those of one schema. */
export async function dumpPostgres({ query }: TestDatabase, schema?: string): Promise<string> {
  const tables = await query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') and schemaname = coalesce($1, schemaname)`,
    [schema ?? null],
  );
  const rows = await Promise.all(tables.map(({ name }) => query(`select t::text from ${name} t`)));
  return JSON.stringify(rows);
}

/** BullMQ's workers set this key for a second and a half at a time, also when they do nothing. */
const PASSING_KEY = 'latchkey:queue:latchkey:stalled-check';

/** Returns all keys and values of a Redis database as text, sorted by key, without the one that comes and goes. */
export async function dumpRedis(url: string): Promise<string> {
  const redis = new Redis(url);
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    hash: (key) => redis.hgetall(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, 0, -1),
    stream: (key) => redis.xrange(key, '-', '+'),
  };
  const keys = await lastingKeys(redis);
  const values = await Promise.all(keys.map(async (key) => [key, await read[await redis.type(key)]?.(key)]));
  redis.disconnect();
  return JSON.stringify(values);
}

/** Returns the number of keys of a Redis database, without the one that comes and goes. */
export async function countRedisKeys(url: string): Promise<number> {
  const redis = new Redis(url);
  const keys = await lastingKeys(redis);
  redis.disconnect();
  return keys.length;
}

/** Deletes all data of a Redis database. */
export async function emptyRedis(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.flushdb();
  redis.disconnect();
}

async function lastingKeys(redis: Redis): Promise<string[]> {
  const keys = await redis.keys('*');
  return keys.filter((key) => key !== PASSING_KEY).toSorted();
}
