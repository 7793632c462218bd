import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Cluster, giveTo } from './embedded-cluster.js';

const run = promisify(execFile);

export const POLL_MS = 10;

/** A server fills its lock file microseconds after creating it; after a crash the file may stay empty. */
const EMPTY_LOCK_FILE_MS = 1_000;

/** A server process, started by this process or another one. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** False while the server is starting or stopping. */
  readonly ready: boolean;
}

/** Returns the server that runs on the cluster, or null. */
export async function findServer(cluster: Cluster): Promise<Server | null> {
  return serverIn(cluster, await readLockFile(cluster));
}

/** Starts a server process without waiting until it is ready. */
export async function launchServer(cluster: Cluster): Promise<ChildProcess> {
  await removeStaleLockFile(cluster);
  const log = await open(cluster.logFile, 'a', 0o600);
  try {
    await log.truncate();
    await giveTo(cluster.runAs, cluster.logFile);
    const server = spawn(cluster.binaries.postgres, argumentsFor(cluster, await freePort()), {
      ...cluster.runAs,
      detached: true, // Ctrl-C in a terminal must reach Node only, which drains its connections first
      windowsHide: true,
      stdio: ['ignore', 'ignore', log.fd],
    });
    server.unref();
    await once(server, 'spawn');
    return server;
  } finally {
    await log.close();
  }
}

export async function stopServer(cluster: Cluster, { pid }: Server): Promise<void> {
  // SIGINT is Postgres' fast shutdown: it disconnects all clients. pg_ctl can send it on Windows too.
  await run(cluster.binaries.pgCtl, ['kill', 'INT', String(pid)], cluster.runAs);
  while (await isServerOf(cluster, pid)) await setTimeout(POLL_MS);
}

/** Returns the last lines that the server logged since its last launch. */
export async function lastLogLines({ logFile }: Cluster): Promise<string> {
  return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-10).join('\n');
}

function argumentsFor({ data }: Cluster, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    // Errors quote rows, and a phone number must not be logged. This level logs only the server's start and stop.
    log_min_messages: 'log',
    log_checkpoints: 'off',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', data, '-p', String(port), ...options];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Removes a stale lock file. Postgres itself would mistake any live process with its pid for a running server. */
async function removeStaleLockFile(cluster: Cluster): Promise<void> {
  const found = await readLockFile(cluster);
  if (found === null || (await serverIn(cluster, found))) return;
  // Another launch may have just created the file and not filled it yet, so its file must stay.
  if (found === '') await setTimeout(EMPTY_LOCK_FILE_MS);
  if ((await readLockFile(cluster)) === found) await rm(lockFileOf(cluster), { force: true });
}

async function readLockFile(cluster: Cluster): Promise<string | null> {
  try {
    return await readFile(lockFileOf(cluster), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function lockFileOf({ data }: Cluster): string {
  return join(data, 'postmaster.pid');
}

async function serverIn(cluster: Cluster, lockFile: string | null): Promise<Server | null> {
  // The lines of Postgres' pidfile.h: pid, data directory, start, port, socket, address, shared memory, status.
  const [pid, , , port, , , , status] = (lockFile ?? '').split('\n');
  if (!(await isServerOf(cluster, Number(pid)))) return null;
  return { pid: Number(pid), port: Number(port), ready: status?.trim() === 'ready' };
}

/** Compares the command line, because pids are reused, above all in containers. */
async function isServerOf({ data }: Cluster, pid: number): Promise<boolean> {
  return pid > 0 && (await commandLineOf(pid)).includes(data);
}

async function commandLineOf(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux') return await readFile(`/proc/${pid}/cmdline`, 'utf8');
    if (process.platform === 'win32') {
      const query = `(Get-CimInstance Win32_Process -Filter 'ProcessId = ${pid}').CommandLine`;
      return (await run('powershell', ['-NoProfile', '-Command', query])).stdout;
    }
    return (await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout;
  } catch (error) {
    if (isNoSuchProcess(error)) return '';
    throw error;
  }
}

function isNoSuchProcess(error: unknown): boolean {
  const { code } = error as { code?: string | number };
  return process.platform === 'linux' ? code === 'ENOENT' || code === 'ESRCH' : code === 1;
}
