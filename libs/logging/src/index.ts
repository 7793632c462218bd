export {
  addToLog,
  clientAddress,
  disableLogContexts,
  inOwnLogContext,
  type LogContext,
  type LogMembers,
  logMembers,
  newLogContext,
  runInLogContext,
} from './log-context.js';
