import { AppError } from '#errors';

/**
 * Codes of replies about the server, its load, its role or the rights of the user, rather than about the command.
 * Redis 6 puts the code of an error in a script behind a dash in the middle of the text.
 */
const NOT_NOW =
  /(?:^|-)(?:LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|CROSSSLOT)\b|^ERR max number of clients|The user executing the script can't/;

const READ_ONLY = /(?:^|-)READONLY\b/;
const CLUSTER = /(?:^|-)(?:CLUSTERDOWN|MOVED|ASK|CROSSSLOT)\b/;

/** A reply about the command itself is a bug; any other failure, and a few replies, mean "not now". */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AppError) return false;
  return !isReply(error) || NOT_NOW.test(error.message);
}

/** The server became a replica, so the address leads to another master now, or will soon. */
export function isReadOnly({ message }: Error): boolean {
  return READ_ONLY.test(message);
}

/** ioredis closed a connection that owed an answer for too long. */
export function isSilence({ message }: Error): boolean {
  return message.startsWith('Socket timeout');
}

/** The reply is one that only a Redis Cluster sends. */
export function isOfCluster({ message }: Error): boolean {
  return CLUSTER.test(message);
}

function isReply(error: unknown): error is Error {
  return (error as Error | null)?.name === 'ReplyError';
}
