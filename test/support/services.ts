import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { startEmbeddedPostgres } from '../../libs/postgres/src/embedded-postgres.js';

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
    const redis = await findRedis(folder);
    if (redis) cleanUp.unshift(() => redis.stop());

    console.log(JSON.stringify({ TEST_POSTGRES_URL: postgres.url, TEST_REDIS_URL: redis?.url }));
    await once(process.stdin.resume(), 'end');
  } finally {
    for (const step of cleanUp) await step();
  }
}

/** The folder must be traversable: Postgres runs as another user when the tests run as root. */
async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-test-'));
  await chmod(folder, 0o711);
  return folder;
}

async function findRedis(folder: string): Promise<Service | null> {
  const { REDIS_URL, CI } = process.env;
  if (REDIS_URL) return { url: REDIS_URL, stop: async () => {} };
  const program = ['redis-server', 'valkey-server'].find(isInstalled);
  if (program) return startRedis(program, folder);

  const remedy = 'set REDIS_URL, or install redis-server or valkey-server';
  if (CI === 'true') throw new Error(`There is no Redis, and CI must not skip tests: ${remedy}`);
  console.warn(`\n!!! NO REDIS: the Redis drivers are NOT tested. To test them, ${remedy}.\n`);
  return null;
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

async function startRedis(program: string, folder: string): Promise<Service> {
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', databases: 64, save: '', appendonly: 'no', dir: folder };
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(server, 'exit');
  await untilReady(server);
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      server.kill();
      await exit;
    },
  };
}

function untilReady(server: ChildProcessByStdio<null, Readable, null>): Promise<void> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
    server.once('close', () => reject(new Error(`Redis did not start. Its output:\n${lines.join('\n')}`)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

// Jest may be gone before it has read the line; the servers must still be stopped.
process.stdout.on('error', () => {});

serve().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
