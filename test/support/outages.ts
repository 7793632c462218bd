import pg from 'pg';
import type { TestDatabase } from './databases.js';

/** While the work lasts, whoever needs the table waits until the server's patience with Postgres ends. */
export async function whileLocked<T>(
  { url }: TestDatabase,
  table: string,
  work: () => Promise<T>,
): Promise<T> {
  const locker = new pg.Client(url);
  await locker.connect();
  try {
    await locker.query(`begin; lock table ${table} in access exclusive mode`);
    return await work();
  } finally {
    await locker.end();
  }
}

/** While the work lasts, whoever needs the table meets an error that nobody foresaw. */
export async function whileMissing<T>(
  { query }: TestDatabase,
  table: string,
  work: () => Promise<T>,
): Promise<T> {
  await query(`alter table ${table} rename to mislaid`);
  try {
    return await work();
  } finally {
    await query(`alter table mislaid rename to ${table}`);
  }
}
