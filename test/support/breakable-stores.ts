import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { DataSource } from 'typeorm';
import { connectRedis, quickOptions } from '#redis';
import { freshDatabase, freshRedis, type TestDatabase } from './databases.js';
import { TcpProxy } from './proxy.js';

export interface BreakablePostgres {
  readonly database: TestDatabase;
  readonly wire: TcpProxy;
  readonly source: DataSource;
  close(): Promise<void>;
}

/** Opens a connection pool to a fresh database through a proxy. */
export async function openBreakablePostgres(): Promise<BreakablePostgres> {
  const database = await freshDatabase();
  const wire = await TcpProxy.before(database.url);
  const source = await new DataSource({ type: 'postgres', url: wire.url, poolSize: 10 }).initialize();
  return {
    database,
    wire,
    source,
    close: async () => {
      await source.destroy();
      await wire.close();
      await database.drop();
    },
  };
}

export interface BreakableRedis {
  readonly wire: TcpProxy;
  readonly redis: Redis;
  close(): Promise<void>;
}

/** No time limits: a busy machine would exceed them, and ioredis repeats a command whose connection it has given up. */
const PATIENT = {
  ...quickOptions,
  disconnectTimeout: 1,
  commandTimeout: undefined,
  socketTimeout: undefined,
};

/** Opens a connection to an empty Redis database through a proxy. */
export async function openBreakableRedis(): Promise<BreakableRedis> {
  const wire = await TcpProxy.before(await freshRedis());
  const redis = connectRedis(wire.url, PATIENT);
  await once(redis, 'ready');
  return {
    wire,
    redis,
    close: async () => {
      redis.disconnect();
      await wire.close();
    },
  };
}
