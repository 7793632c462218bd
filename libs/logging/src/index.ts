export {
  addToLog,
  clientAddress,
  inOwnLogContext,
  type LogContext,
  type LogMembers,
  logMembers,
  newLogContext,
  runInLogContext,
} from './log-context.js';
