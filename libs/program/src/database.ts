import { join } from 'node:path';
import type { AppConfig } from '#config';
import {
  assertSessionPooling,
  type EmbeddedPostgres,
  explainConnectionFault,
  findSchema,
  hasPendingMigrations,
  migrate,
  nameDatabase,
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
  if (databaseUrl === null) return startEmbeddedPostgres(embeddedFolder(dataDir));
  return { url: databaseUrl, stop: async () => {} };
}

/** Returns a line that says which database a command works on, without the password. */
export function describeDatabase({ databaseUrl, dataDir }: DatabaseConfig): string {
  if (databaseUrl === null) return `database: the embedded one in ${embeddedFolder(dataDir)}`;
  return `database: ${nameDatabase(databaseUrl)}`;
}

/** Migrates the database, or fails if migrations are pending and MIGRATE_ON_START is off. */
export async function prepareTables(url: string, config: DatabaseConfig): Promise<void> {
  await assertSessionPooling(url);
  const schema = await findSchema(url, config.databaseSchema);
  if (!config.migrateOnStart) {
    if (schema.isInstalled && !(await hasPendingMigrations(url, schema.name))) return;
    throw new Error(
      `the schema ${schema.name} of the database has pending migrations: run \`npm run migrate\``,
    );
  }
  if (schema.otherInstallations.length > 0) throw new Error(secondInstallationFault(schema));
  await migrate(url, schema.name);
}

/**
 * Fails if a server could not use the database as it is. Changes nothing.
 *
 * @throws Error that names DATABASE_URL and the cure.
 */
export async function assertUsable(url: string, config: DatabaseConfig): Promise<void> {
  await prepareTables(url, { ...config, migrateOnStart: false }).catch(nameVariable(config));
}

/**
 * Migrates the tables. Returns the names of applied migrations.
 *
 * @param schema DATABASE_SCHEMA.
 */
export async function migrateAll(url: string, schema: string | null = null): Promise<string[]> {
  await assertSessionPooling(url);
  return migrate(url, (await findSchema(url, schema)).name);
}

/** Reverts the newest applied migration. Returns its name, or null if none is applied. */
export async function revertNewestMigration(url: string, schema: string | null): Promise<string | null> {
  await assertSessionPooling(url);
  return revertMigration(url, (await findSchema(url, schema)).name);
}

/** A second installation is more often a mistake than wanted. */
function secondInstallationFault({ name, otherInstallations }: SchemaChoice): string {
  return `DATABASE_SCHEMA names ${name}, which is empty, but Latchkey is installed in ${otherInstallations.join(', ')}: set it to that schema, or run \`npm run migrate\` for a second installation`;
}

function embeddedFolder(dataDir: string): string {
  return join(dataDir, 'postgres');
}

/** Adds DATABASE_URL and the cure to an error of the driver, which does not know where its URL comes from. */
export function nameVariable({ databaseUrl }: DatabaseConfig) {
  return (cause: Error): never => {
    const reason = explainConnectionFault(cause);
    throw databaseUrl ? new Error(`cannot use DATABASE_URL: ${reason}`, { cause }) : cause;
  };
}
