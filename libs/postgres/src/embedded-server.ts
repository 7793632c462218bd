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

/** Between creating its lock file and filling it a server needs microseconds; after a crash it stays empty. */
const EMPTY_MS = 1_000;

/** A server process, whoever started it. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Neither starting nor stopping. */
  readonly ready: boolean;
}

/** The server that runs on the cluster, if one does. */
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
      detached: true, // Ctrl-C in a terminal is for Node, which has connections to drain first
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
  // SIGINT means: disconnect everybody, then shut down. pg_ctl can say it on Windows too.
  await run(cluster.binaries.pgCtl, ['kill', 'INT', String(pid)], cluster.runAs);
  while (await isServerOf(cluster, pid)) await setTimeout(POLL_MS);
}

/** The end of what the server logged since it was last launched. */
export async function lastWords({ logFile }: Cluster): Promise<string> {
  return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-10).join('\n');
}

function argumentsFor({ data }: Cluster, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    // Errors quote the row they are about, and a phone number does not belong in a log: only the server's own life does.
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

/** Postgres itself would take any live process under that number for the server which wrote the file. */
async function removeStaleLockFile(cluster: Cluster): Promise<void> {
  const found = await readLockFile(cluster);
  if (found === null || (await serverIn(cluster, found))) return;
  // What another launch writes must stay, also if until now it has only created the file.
  if (found === '') await setTimeout(EMPTY_MS);
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
  // The lines are those of pidfile.h: pid, data directory, start, port, socket, address, shared memory, status.
  const [pid, , , port, , , , status] = (lockFile ?? '').split('\n');
  if (!(await isServerOf(cluster, Number(pid)))) return null;
  return { pid: Number(pid), port: Number(port), ready: status?.trim() === 'ready' };
}

/** The numbers of processes come round again, above all in containers: the command line tells who it is. */
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
    if (saysNoSuchProcess(error)) return '';
    throw error;
  }
}

function saysNoSuchProcess(error: unknown): boolean {
  const { code } = error as { code?: string | number };
  return process.platform === 'linux' ? code === 'ENOENT' || code === 'ESRCH' : code === 1;
}
