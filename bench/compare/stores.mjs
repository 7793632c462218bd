// The stores of a comparison. Every server gets a database of its own, on the same Postgres and the same Redis.
import { Redis } from 'ioredis';
import pg from 'pg';
import { newFolder, startGateway, startOwnRedis, startPostgres } from '../support/services.mjs';
import { parentOf } from './processes.mjs';

/** The time that the provider takes to answer. */
export const PROVIDER_MS = 50;

/** @param work gets `{ gateway, pids, newStores, versions }`. Everything ends after it, also after SIGINT and SIGTERM. */
export async function withStores(work, providerMs = PROVIDER_MS) {
  const folder = newFolder();
  const stops = [folder.delete];
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  });
  try {
    const postgres = await startPostgres(folder.folder);
    stops.unshift(postgres.stop);
    const redis = await startOwnRedis(folder.folder);
    if (!redis) throw new Error('there is no Redis: install redis-server or valkey-server');
    stops.unshift(redis.stop);
    const gateway = await startGateway(providerMs);
    stops.unshift(gateway.stop);
    const admin = new pg.Client({ connectionString: postgres.url });
    await admin.connect();
    stops.unshift(() => admin.end());
    const cache = new Redis(redis.url);
    stops.unshift(() => cache.quit());
    await Promise.race([work({ gateway, ...(await connect(admin, cache, postgres.url, redis.url)) }), interrupted]);
  } finally {
    for (const stop of stops) await stop();
  }
}

async function connect(admin, cache, postgresUrl, redisUrl) {
  const { rows } = await admin.query('select pg_backend_pid() as pid');
  const redisPid = Number(/process_id:(\d+)/.exec(await cache.info('server'))[1]);
  const versions = {
    postgres: (await admin.query('show server_version')).rows[0].server_version,
    redis: /redis_version:(\S+)/.exec(await cache.info('server'))[1],
  };
  /** An empty database, and an empty database of Redis. */
  const newStores = async (index, withRedis) => {
    await admin.query(`create database measured_${index}`);
    const database = new URL(postgresUrl);
    database.pathname = `/measured_${index}`;
    return { DATABASE_URL: database.href, ...(withRedis && { REDIS_URL: new URL(`/${index}`, redisUrl).href }) };
  };
  return { pids: { postgres: parentOf(rows[0].pid), redis: redisPid }, newStores, versions };
}
