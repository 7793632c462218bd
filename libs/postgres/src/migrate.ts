import { DataSource } from 'typeorm';
import { CreateUsers0000000000001 } from './migrations/000001-create-users.js';
import { CreateTokens0000000000002 } from './migrations/000002-create-tokens.js';
import { CreateDataKeys0000000000003 } from './migrations/000003-create-data-keys.js';
import { CreateVerifications0000000000004 } from './migrations/000004-create-verifications.js';
import { CreateLimits0000000000005 } from './migrations/000005-create-limits.js';
import { CreateAbuseStates0000000000006 } from './migrations/000006-create-abuse-states.js';
import { AddDeliveries0000000000007 } from './migrations/000007-add-deliveries.js';

const MIGRATIONS = [
  CreateUsers0000000000001,
  CreateTokens0000000000002,
  CreateDataKeys0000000000003,
  CreateVerifications0000000000004,
  CreateLimits0000000000005,
  CreateAbuseStates0000000000006,
  AddDeliveries0000000000007,
];

/** The advisory lock that lets one process migrate at a time. The number is arbitrary. */
const MIGRATION_LOCK = 7_403_201;

/**
 * Applies pending migrations, oldest first, and returns their names. Processes that start together wait for each
 * other.
 */
export async function migrate(url: string): Promise<string[]> {
  return locked(url, async (source) => {
    const applied = await source.runMigrations({ transaction: 'each' });
    return applied.map(({ name }) => name);
  });
}

/** Reverts the newest applied migration. Returns its name, or null if none is applied. */
export async function revertMigration(url: string): Promise<string | null> {
  return locked(url, async (source) => {
    const newest = await newestApplied(source);
    if (newest) await source.undoLastMigration({ transaction: 'each' });
    return newest;
  });
}

async function newestApplied(source: DataSource): Promise<string | null> {
  const [{ exists }] = await source.query(`select to_regclass('migrations') is not null as exists`);
  const rows = exists ? await source.query('select name from migrations order by id desc limit 1') : [];
  return rows[0]?.name ?? null;
}

/** Returns true if the database lacks a migration of this version. */
export async function hasPendingMigrations(url: string): Promise<boolean> {
  return connected(url, (source) => source.showMigrations());
}

async function locked<T>(url: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  return connected(url, async (source) => {
    const holder = source.createQueryRunner();
    await holder.connect();
    try {
      await holder.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      return await work(source);
    } finally {
      await holder.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]).finally(() => holder.release());
    }
  });
}

/** Opens a connection of its own, because a migration may exceed the statement timeout of requests. */
async function connected<T>(url: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  const source = new DataSource({ type: 'postgres', url, migrations: MIGRATIONS, connectTimeoutMS: 10_000 });
  await source.initialize();
  try {
    return await work(source);
  } finally {
    await source.destroy();
  }
}
