// The services that a benchmark needs, each of its own and on a free port of the loopback interface.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { startEmbeddedPostgres } from '../../dist/libs/postgres/src/index.js';

export const root = path.resolve(import.meta.dirname, '../..');

export function newFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-bench-'));
  chmodSync(folder, 0o711); // as root the embedded Postgres runs as another user
  return { folder, delete: () => rmSync(folder, { recursive: true, force: true }) };
}

export function startPostgres(folder) {
  return startEmbeddedPostgres(path.join(folder, 'postgres'));
}

/** Starts Redis, or uses the last database of REDIS_URL. Returns null if there is neither. */
export async function startRedis(folder) {
  const { REDIS_URL } = process.env;
  const own = await startOwnRedis(folder);
  return own ?? (REDIS_URL ? { url: new URL('/15', REDIS_URL).href, stop: async () => {} } : null);
}

/** Starts Redis. Returns null if it is not installed. */
export async function startOwnRedis(folder) {
  const program = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (!program) return null;
  const port = await freePort();
  const dir = path.join(folder, 'redis');
  mkdirSync(dir);
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir };
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.includes('Ready to accept') && resolve());
    child.once('exit', () => reject(new Error(`${program} did not start`)));
  });
  return { url: `redis://127.0.0.1:${port}`, stop: () => stop(child) };
}

/** A gateway that accepts every message. @param delayMs how long it takes to answer. */
export async function startGateway(delayMs = 0) {
  const gateway = { received: 0 };
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => {
      gateway.received += 1;
      if (delayMs > 0) setTimeout(() => response.end('{}'), delayMs);
      else response.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  gateway.url = `http://127.0.0.1:${server.address().port}/`;
  gateway.stop = () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  return gateway;
}

/** Starts a built program, and waits for a line of its log. */
export async function startProgram(name, env, readyLine) {
  // Not in the project folder, where a file `.env` would change what is measured.
  const cwd = path.join(root, 'dist/bundle');
  const child = spawn(process.execPath, [`${name}.js`], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  const ready = await new Promise((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        if (readyLine.test(line)) resolve(line);
      });
    }
    child.once('exit', () => reject(new Error(`the ${name} did not start:\n${lines.join('\n')}`)));
  });
  return { pid: child.pid, ready, lines, stop: () => stop(child) };
}

async function stop(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
