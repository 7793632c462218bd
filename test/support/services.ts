import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../libs/postgres/src/embedded-postgres.js';
import { withClient } from './postgres.js';
import { RedisServer } from './redis-server.js';

interface Service {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts the real servers that the specs run against, in a folder of their own, and prints their addresses.
 * They run until standard input ends, which happens however Jest ends.
 */
async function serve(): Promise<void> {
  const folder = await makeFolder();
  const cleanUp = [() => rm(folder, { recursive: true, force: true })];
  try {
    const postgres = await startEmbeddedPostgres(join(folder, 'postgres'));
    cleanUp.unshift(() => postgres.stop());
    await skipDiskFlushes(postgres.url);
    const redis = await findRedis();
    if (redis) cleanUp.unshift(() => redis.stop());

    console.log(JSON.stringify({ TEST_POSTGRES_URL: postgres.url, TEST_REDIS_URL: redis?.url }));
    await once(process.stdin.resume(), 'end');
  } finally {
    for (const step of cleanUp) await step();
  }
}

/**
 * Makes Postgres leave writing to the operating system. A commit then does not wait for a disk that other programs keep busy,
 * and what a killed server had committed is still there.
 */
async function skipDiskFlushes(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('alter system set fsync = off');
    await client.query('select pg_reload_conf()');
  });
}

/** The folder must be traversable: Postgres runs as another user when the tests run as root. */
async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  await chmod(folder, 0o711);
  return folder;
}

async function findRedis(): Promise<Service | null> {
  const { REDIS_URL, CI } = process.env;
  if (REDIS_URL) return { url: REDIS_URL, stop: async () => {} };
  const program = ['redis-server', 'valkey-server'].find(isInstalled);
  if (program) return RedisServer.start(program, { databases: 64 });

  const remedy = 'set REDIS_URL, or install redis-server or valkey-server';
  if (CI === 'true') throw new Error(`There is no Redis, and CI must not skip tests: ${remedy}`);
  console.warn(`\n!!! NO REDIS: the Redis drivers are NOT tested. To test them, ${remedy}.\n`);
  return null;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

// Jest may be gone before it has read the line; the servers must still be stopped.
process.stdout.on('error', () => {});

serve().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
