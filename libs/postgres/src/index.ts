export { Database, type Statement, type Transaction } from './database.js';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
export { hasPendingMigrations, migrate, revertMigration } from './migrate.js';
export { PostgresModule, PostgresOptions } from './postgres.module.js';
