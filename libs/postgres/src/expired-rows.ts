import { setTimeout as pause } from 'node:timers/promises';
import type { Database, Statement } from './database.js';

/** Small enough that a batch takes some milliseconds, with the rows that refer to it. */
const BATCH = 500;

const LEAST_PAUSE_MS = 10;

/** The first half of the advisory locks; the second half names the table. The number is arbitrary. */
const LOCK = 4_226_016;

interface Batch {
  readonly deleted: number;
  /** The last expiry in the batch; null for an empty one. */
  readonly last: string | null;
}

/**
 * Deletes the expired rows of a table in batches, the oldest first. Pauses after each batch for as long as it took, so that
 * requests get at least half of the time. One process at a time deletes rows of a table; the call of another one ends.
 *
 * @param table has an indexed column `expires_at`.
 * @param keptMs the time for which expired rows are kept.
 * @returns the number of deleted rows.
 * @throws Unavailable
 */
export async function deleteExpired(database: Database, table: string, keptMs = 0): Promise<number> {
  const statement = batchOf(table);
  let after = '-infinity';
  let total = 0;
  while (!database.isClosing) {
    const began = performance.now();
    const [batch] = await database.run<Batch & object>(statement, [LOCK, table, keptMs, BATCH, after]);
    total += batch?.deleted ?? 0;
    if (!batch || batch.deleted < BATCH) break;
    // An index scan from the beginning would pass over all entries of the rows that are deleted already.
    after = batch.last ?? after;
    await pause(Math.max(LEAST_PAUSE_MS, performance.now() - began));
  }
  return total;
}

/** A row that a request has locked is deleted the next time. */
function batchOf(table: string): Statement {
  return {
    name: `${table}-delete-expired`,
    text: `
      with turn as materialized (
        select pg_try_advisory_xact_lock($1, hashtext($2)) as is_ours
      ), expired as (
        select ${table}.ctid from ${table}, turn
         where turn.is_ours and expires_at >= $5::timestamptz and expires_at <= now() - $3 * interval '1 millisecond'
         order by expires_at limit $4 for update of ${table} skip locked
      ), gone as (
        delete from ${table} using expired where ${table}.ctid = expired.ctid
        returning ${table}.expires_at
      )
      select count(*)::int as deleted, max(expires_at)::text as last from gone`,
  };
}
