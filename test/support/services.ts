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
 * The servers that the specs run against, real ones, in a folder of their own. This process prints where
 * they are and keeps them until its standard input ends, which it does however Jest ends.
 */
async function serve(): Promise<void> {
  const folder = await makeFolder();
  const leave = [() => rm(folder, { recursive: true, force: true })];
  try {
    const postgres = await startEmbeddedPostgres(join(folder, 'postgres'));
    leave.unshift(() => postgres.stop());
    const redis = await findRedis(folder);
    if (redis) leave.unshift(() => redis.stop());

    console.log(JSON.stringify({ TEST_POSTGRES_URL: postgres.url, TEST_REDIS_URL: redis?.url }));
    await once(process.stdin.resume(), 'end');
  } finally {
    for (const step of leave) await step();
  }
}

/** Everybody may pass: Postgres runs as another user when the tests run as root. */
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
  if (CI === 'true') throw new Error(`There is no Redis, and CI tests no halves: ${remedy}`);
  console.warn(`\n!!! NO REDIS: whatever runs on Redis is NOT tested. To test it, ${remedy}.\n`);
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
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      said.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
    server.once('close', () =>
      reject(new Error(`Redis does not start. Its last words:\n${said.join('\n')}`)),
    );
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

// Jest may be gone before it has heard; there are still servers to stop.
process.stdout.on('error', () => {});

serve().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
