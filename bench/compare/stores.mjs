// The stores of a comparison. Every measurement gets a fresh database, on the same Postgres and the same Redis.
import { Redis } from 'ioredis';
import pg from 'pg';
import { newFolder, startGateway, startPostgres, startRedis } from '../support/services.mjs';
import { parentOf } from './processes.mjs';

/** The time that the provider takes to answer. */
export const PROVIDER_MS = 50;

/** @param work gets `{ gateway, pids, templateOf, freshStores, versions }`. Everything ends after it, also after SIGINT and SIGTERM. */
export async function withStores(work) {
  const folder = newFolder();
  const stops = [folder.delete];
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  });
  try {
    const postgres = await startPostgres(folder.folder);
    stops.unshift(postgres.stop);
    const redis = await startRedis(folder.folder);
    if (!redis) throw new Error('there is no Redis: install redis-server or valkey-server');
    stops.unshift(redis.stop);
    const gateway = await startGateway(PROVIDER_MS);
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
  const stores = (database, withRedis) => {
    const url = new URL(postgresUrl);
    url.pathname = `/${database}`;
    return { DATABASE_URL: url.href, ...(withRedis && { REDIS_URL: redisUrl }) };
  };
  /** An empty database for a subject's tables. */
  const templateOf = async (index, withRedis) => {
    await admin.query(`create database template_${index}`);
    return stores(`template_${index}`, withRedis);
  };
  /** A copy of the subject's template, and an empty Redis. Nothing is left to write back or to send from before. */
  const freshStores = async (index, withRedis) => {
    await admin.query('drop database if exists measured with (force)');
    await admin.query(`create database measured template template_${index}`);
    await cache.flushall();
    await admin.query('checkpoint');
    return stores('measured', withRedis);
  };
  return { pids: { postgres: parentOf(rows[0].pid), redis: redisPid }, templateOf, freshStores, versions };
}
