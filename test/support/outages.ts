import type { TestDatabase } from './databases.js';
import { withClient } from './postgres.js';

/** Makes statements on the table wait until the server's statement timeout while the work runs. */
export function whileLocked<T>({ url }: TestDatabase, table: string, work: () => Promise<T>): Promise<T> {
  return withClient(url, async (locker) => {
    await locker.query(`begin; lock table ${table} in access exclusive mode`);
    return work();
  });
}

/** Makes statements on the table fail unexpectedly while the work runs. */
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
