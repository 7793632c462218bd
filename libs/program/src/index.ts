export { migrateAll, revertNewestMigration } from './database.js';
export { LINE_OPTIONS, type Log, NestLog, openLog } from './log.js';
export { runCommand, runDatabaseCommand, runServer } from './program.js';
