export { nameDatabase, onConnection, withVerifiedTls } from './connection.js';
export { explainConnectionFault } from './connection-fault.js';
export {
  Database,
  isForeignKeyViolation,
  isUniqueViolation,
  type Statement,
  type Transaction,
} from './database.js';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
export { deleteExpired } from './expired-rows.js';
export { Listener } from './listener.js';
export { hasPendingMigrations, migrate, revertMigration } from './migrate.js';
export { EACH, type Numbered, numbered, perElement } from './parameters.js';
export { sharePool } from './pool-shares.js';
export { assertSessionPooling } from './pooling.js';
export { PostgresModule, PostgresOptions } from './postgres.module.js';
export { DatabaseSchema, DEFAULT_SCHEMA, findSchema, type SchemaChoice } from './schemas.js';
export { type SessionOptions, sessionSetup } from './session.js';
