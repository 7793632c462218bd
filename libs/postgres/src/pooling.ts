import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { onConnection } from './connection.js';

/** One round finds a pooler that hands out the server connection used last, or each in turn. More are for chance. */
const ROUNDS = 3;

const REMEDY =
  'a pooler in transaction mode answers there, and loses prepared statements, settings and notifications: ' +
  'use a direct address of Postgres, or session pooling (PgBouncer: pool_mode=session)';

/**
 * Fails if the connections to the URL are not sessions of their own, as behind PgBouncer in transaction or statement
 * mode: see docs/decisions/0052.
 */
export async function assertSessionPooling(url: string): Promise<void> {
  await onConnection(url, (first) =>
    onConnection(url, async (second) => {
      // A pooler that keeps a session together once it has settings, such as RDS Proxy, is as good as no pooler.
      for (const client of [first, second])
        await client.query(`select set_config('latchkey.session', $1, false)`, [randomUUID()]);
      for (let round = 0; round < ROUNDS; round += 1)
        if (await sharesServers(first, second)) throw new Error(REMEDY);
    }),
  );
}

/** Returns true if a connection of the server served both clients, or if one client was served by several. */
async function sharesServers(first: Client, second: Client): Promise<boolean> {
  const before = [await serverOf(first), await serverOf(first)];
  // The role may have a timeout that is shorter than a round trip.
  await second.query('begin; set local idle_in_transaction_session_timeout to 0').catch(rethrowAsRemedy);
  try {
    // A pooler with one connection could not serve the first client until the second one's transaction ends.
    if (before.includes(await serverOf(second))) return true;
    return new Set([...before, await serverOf(first)]).size > 1;
  } finally {
    await second.query('rollback');
  }
}

async function serverOf(client: Client): Promise<number> {
  return (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid as number;
}

/** In statement mode PgBouncer refuses transactions. */
function rethrowAsRemedy(cause: Error): never {
  throw new Error(REMEDY, { cause });
}
