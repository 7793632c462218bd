import { join } from 'node:path';
import { migrateTaskQueue } from '#background';
import type { AppConfig } from '#config';
import {
  assertSessionPooling,
  type EmbeddedPostgres,
  explainConnectionFault,
  findSchemas,
  hasPendingMigrations,
  migrate,
  revertMigration,
  type SchemaChoice,
  startEmbeddedPostgres,
} from '#postgres';

/** The configuration that the database needs. */
export type DatabaseConfig = Pick<
  AppConfig,
  'databaseUrl' | 'databaseSchema' | 'redisUrl' | 'dataDir' | 'migrateOnStart' | 'logLevel'
>;

/** Returns the configured Postgres, or starts the embedded one. */
export async function openDatabase({ databaseUrl, dataDir }: DatabaseConfig): Promise<EmbeddedPostgres> {
  if (databaseUrl === null) return startEmbeddedPostgres(join(dataDir, 'postgres'));
  return { url: databaseUrl, stop: async () => {} };
}

/** Migrates the database, or fails if migrations are pending and MIGRATE_ON_START is off. */
export async function prepareTables(url: string, config: DatabaseConfig): Promise<void> {
  await assertSessionPooling(url);
  const schemas = await findSchemas(url, config.databaseSchema);
  if (!config.migrateOnStart) {
    if (schemas.isInstalled && !(await hasPendingMigrations(url, schemas.tables))) return;
    throw new Error(
      `the schema ${schemas.tables} of the database has pending migrations: run \`npm run migrate\``,
    );
  }
  if (schemas.otherInstallations.length > 0) throw new Error(secondInstallationFault(schemas));
  await migrateIn(schemas, url, config.redisUrl);
}

/**
 * Migrates Latchkey's tables, and those of the queue if it is in Postgres. Returns the names of applied migrations.
 *
 * @param schema DATABASE_SCHEMA.
 */
export async function migrateAll(
  url: string,
  redisUrl: string | null,
  schema: string | null = null,
): Promise<string[]> {
  await assertSessionPooling(url);
  return migrateIn(await findSchemas(url, schema), url, redisUrl);
}

/** Reverts the newest applied migration. Returns its name, or null if none is applied. */
export async function revertNewestMigration(url: string, schema: string | null): Promise<string | null> {
  await assertSessionPooling(url);
  return revertMigration(url, (await findSchemas(url, schema)).tables);
}

/** The queue comes first: an installation without one would be taken for an old one, whose queue is elsewhere. */
async function migrateIn(
  { tables, queue }: SchemaChoice,
  url: string,
  redisUrl: string | null,
): Promise<string[]> {
  if (!redisUrl) await migrateTaskQueue(url, queue);
  return migrate(url, tables);
}

/** A second installation is more often a mistake than wanted. */
function secondInstallationFault({ tables, otherInstallations }: SchemaChoice): string {
  return `DATABASE_SCHEMA names ${tables}, which is empty, but Latchkey is installed in ${otherInstallations.join(', ')}: set it to that schema, or run \`npm run migrate\` for a second installation`;
}

/** Adds DATABASE_URL and the cure to an error of the driver, which does not know where its URL comes from. */
export function nameVariable({ databaseUrl }: DatabaseConfig) {
  return (cause: Error): never => {
    const reason = explainConnectionFault(cause);
    throw databaseUrl ? new Error(`cannot use DATABASE_URL: ${reason}`, { cause }) : cause;
  };
}
