export {
  assertUsable,
  describeDatabase,
  migrateAll,
  openDatabase,
  revertNewestMigration,
} from './database.js';
export { LINE_OPTIONS, type Log, NestLog, openLog } from './log.js';
export {
  type ProgramContext,
  type RunningServer,
  runCommand,
  runDatabaseCommand,
  runServer,
} from './program.js';
export { runWorkers } from './workers.js';
