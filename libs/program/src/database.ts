import { join } from 'node:path';
import { migrateTaskQueue } from '#background';
import type { AppConfig } from '#config';
import { type EmbeddedPostgres, hasPendingMigrations, migrate, startEmbeddedPostgres } from '#postgres';

/** Returns the configured Postgres, or starts the embedded one. */
export async function openDatabase({ databaseUrl, dataDir }: AppConfig): Promise<EmbeddedPostgres> {
  if (databaseUrl === null) return startEmbeddedPostgres(join(dataDir, 'postgres'));
  return { url: databaseUrl, stop: async () => {} };
}

/** Migrates the database, or fails if migrations are pending and MIGRATE_ON_START is off. */
export async function prepareTables(url: string, { migrateOnStart, redisUrl }: AppConfig): Promise<void> {
  if (migrateOnStart) await migrateAll(url, redisUrl);
  else if (await hasPendingMigrations(url))
    throw new Error('the database has pending migrations: run `npm run migrate`');
}

/** Migrates Latchkey's tables, and those of the queue if it is in Postgres. Returns the names of applied migrations. */
export async function migrateAll(url: string, redisUrl: string | null): Promise<string[]> {
  const applied = await migrate(url);
  if (!redisUrl) await migrateTaskQueue(url);
  return applied;
}
