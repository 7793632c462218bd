import { join } from 'node:path';
import { migrateTaskQueue } from '#background';
import type { AppConfig } from '#config';
import { type EmbeddedPostgres, hasPendingMigrations, migrate, startEmbeddedPostgres } from '#postgres';

/** The configured Postgres, or the embedded one, running. */
export async function openDatabase({ databaseUrl, dataDir }: AppConfig): Promise<EmbeddedPostgres> {
  if (databaseUrl === null) return startEmbeddedPostgres(join(dataDir, 'postgres'));
  return { url: databaseUrl, stop: async () => {} };
}

/** Makes sure that the tables are those of this version. */
export async function prepareTables(url: string, { migrateOnStart, redisUrl }: AppConfig): Promise<void> {
  if (migrateOnStart) await migrateAll(url, redisUrl);
  else if (await hasPendingMigrations(url))
    throw new Error('the database lacks migrations: run `npm run migrate`');
}

/** Our tables, and the queue's where the queue is in Postgres. */
export async function migrateAll(url: string, redisUrl: string | null): Promise<string[]> {
  const applied = await migrate(url);
  if (!redisUrl) await migrateTaskQueue(url);
  return applied;
}
