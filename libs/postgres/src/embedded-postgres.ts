import type { ChildProcess } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { type Cluster, openCluster, removeDrafts, SUPERUSER } from './embedded-cluster.js';
import {
  findServer,
  lastLogLines,
  launchServer,
  POLL_MS,
  type Server,
  stopServer,
} from './embedded-server.js';

/** A running Postgres server. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the server, unless another live process still uses it. */
  stop(): Promise<void>;
}

const DATABASE = 'latchkey';

/** Waits before each launch. A launch can lose a race for its port, or for memory that a killed server still holds. */
const LAUNCH_WAITS_MS = [0, 50, 250, 1_000];

/**
 * Starts a server in the directory, or joins the one that runs there already.
 *
 * Every process that uses the server holds a shared advisory lock inside it. A process that leaves and then gets the
 * lock exclusively was the last one, and stops the server. So the next start takes over an orphaned server, and two
 * simultaneous starts need no coordinator. Nothing can go stale: a killed process holds no locks.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  const cluster = await openCluster(directory);
  await removeDrafts(cluster);
  for (;;) {
    const presence = await joinServer(cluster);
    try {
      await createDatabase(presence);
      if (await isReady(cluster)) return embedded(cluster, presence);
    } catch (error) {
      if (!isTemporary(error)) {
        await leaveServer(cluster, presence);
        throw error;
      }
    }
    // The server is stopping: it had ended the connection whose exclusive lock kept this process out.
    await presence.end();
  }
}

function embedded(cluster: Cluster, presence: Client): EmbeddedPostgres {
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= leaveServer(cluster, presence);
    return stopped;
  };
  return { url: urlOf(cluster, presence.port, DATABASE), stop };
}

async function isReady(cluster: Cluster): Promise<boolean> {
  return (await findServer(cluster))?.ready === true;
}

async function joinServer(cluster: Cluster): Promise<Client> {
  for (const pauseMs of LAUNCH_WAITS_MS) {
    await setTimeout(pauseMs);
    const launched = (await findServer(cluster)) ? null : await launchServer(cluster);
    try {
      const presence = await awaitEntry(cluster, launched);
      if (presence) return presence;
    } catch (error) {
      launched?.kill('SIGINT');
      throw error;
    }
  }
  throw new Error(
    `Postgres did not start in ${cluster.directory}. Its last log lines:\n${await lastLogLines(cluster)}`,
  );
}

/** Waits while there is a server to wait for: it may be starting, recovering or stopping. */
async function awaitEntry(cluster: Cluster, launched: ChildProcess | null): Promise<Client | null> {
  for (;;) {
    const server = await findServer(cluster);
    if (!server && !isAlive(launched)) return null;
    const presence = server && (await enter(cluster, server, 'pg_try_advisory_lock_shared'));
    if (presence) return presence;
    await setTimeout(POLL_MS);
  }
}

function isAlive(child: ChildProcess | null): boolean {
  return child !== null && child.exitCode === null && child.signalCode === null;
}

async function leaveServer(cluster: Cluster, presence: Client): Promise<void> {
  await presence.end();
  const server = await findServer(cluster);
  // The exclusive lock also keeps other processes out until the server is gone and they launch the next one.
  const isLast = server && (await enter(cluster, server, 'pg_try_advisory_lock'));
  if (isLast) await stopServer(cluster, server);
}

/** Returns a connection that holds the lock, or null while the server or the lock is not available. */
async function enter(
  cluster: Cluster,
  { port, ready }: Server,
  lock: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
): Promise<Client | null> {
  if (!ready) return null; // the server would log the attempt as a fatal error
  // Not in our own database: its locks belong to the application, and a connection would keep it from being cloned.
  const connectionString = urlOf(cluster, port, 'postgres');
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 });
  // Losing this connection loses only the lock. The users of the server notice themselves if it is down.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query(`select ${lock}(hashtext('latchkey uses this server')) as held`);
    if (rows[0].held) return client;
  } catch (error) {
    if (!isTemporary(error)) throw error;
  }
  await client.end();
  return null;
}

/** Class 57 means that the server is starting or stopping, and so may a broken connection. */
function isTemporary(error: unknown): boolean {
  return !(error instanceof DatabaseError) || error.code?.startsWith('57') === true;
}

async function createDatabase(client: Client): Promise<void> {
  try {
    await client.query(`create database ${DATABASE}`);
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
}

/** Of two simultaneous starts the slower one fails here, perhaps on the unique index. A check would only move the race. */
function isDuplicate(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '42P04' || error.code === '23505');
}

function urlOf({ password }: Cluster, port: number, database: string): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}
