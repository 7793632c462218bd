import type { ChildProcess } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { type Cluster, openCluster, removeDrafts, SUPERUSER } from './embedded-cluster.js';
import { findServer, lastWords, launchServer, POLL_MS, type Server, stopServer } from './embedded-server.js';

/** A Postgres server of our own, for an installation that brings none. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the server, unless another live process still uses it. */
  stop(): Promise<void>;
}

const DATABASE = 'latchkey';

/** A launch can lose a race: for its port, or for memory which a killed server has not yet let go of. */
const LAUNCH_AFTER_MS = [0, 50, 250, 1_000];

/**
 * Starts a server on the directory, or joins the one that runs there already.
 *
 * Whoever uses the server holds a shared lock inside it; who, on leaving, can have that lock alone is
 * the last one and stops the server. So an orphan belongs to whoever finds it, two starts at the same
 * moment need no arbiter, and nothing of this can go stale: a killed process holds no locks.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  const cluster = await openCluster(directory);
  const presence = await joinServer(cluster);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= leaveServer(cluster, presence);
    return stopped;
  };
  try {
    await removeDrafts(cluster);
    await createDatabase(presence);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: urlOf(cluster, presence.port, DATABASE), stop };
}

async function joinServer(cluster: Cluster): Promise<Client> {
  for (const pauseMs of LAUNCH_AFTER_MS) {
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
    `Postgres does not start in ${cluster.directory}. Its last words:\n${await lastWords(cluster)}`,
  );
}

/** Waits for as long as there is a server to wait for: it may be starting, recovering or stopping. */
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
  // Who holds the lock alone also keeps newcomers out, until the server is gone and they launch the next.
  const alone = server && (await enter(cluster, server, 'pg_try_advisory_lock'));
  if (alone) await stopServer(cluster, server);
}

/** A connection that holds the lock; null while the server or the lock is not to be had. */
async function enter(
  cluster: Cluster,
  { port, ready }: Server,
  lock: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
): Promise<Client | null> {
  if (!ready) return null; // it would only log the attempt, as fatal
  // Not in our own database: its locks belong to the application, and who is connected keeps it from being cloned.
  const connectionString = urlOf(cluster, port, 'postgres');
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 });
  // With the connection only the lock is lost; that the server went away is for its users to notice.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query(`select ${lock}(hashtext('latchkey uses this server')) as held`);
    if (rows[0].held) return client;
  } catch (error) {
    if (!isPassing(error)) throw error;
  }
  await client.end();
  return null;
}

/** Class 57 is a server on its way up or down, and a broken connection says no more than that. */
function isPassing(error: unknown): boolean {
  return !(error instanceof DatabaseError) || error.code?.startsWith('57') === true;
}

async function createDatabase(client: Client): Promise<void> {
  try {
    await client.query(`create database ${DATABASE}`);
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
  }
}

/** To ask beforehand would only move the race between two starts, whose loser may meet the unique index. */
function isAlreadyThere(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '42P04' || error.code === '23505');
}

function urlOf({ password }: Cluster, port: number, database: string): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}
