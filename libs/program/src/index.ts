export { migrateAll } from './database.js';
export { type Log, NestLog, openLog } from './log.js';
export { runCommand, runServer } from './program.js';
