import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { Redis, type RedisOptions } from 'ioredis';
import { Unavailable } from '#errors';
import { isReadOnly, isSilence, isUnavailable } from './replies.js';
import { hintFor } from './server-fault.js';

const COMMAND_TIMEOUT_MS = 2_000;

/** Shorter than the time for a command, so that a command is repeated on a new connection in time. */
const SILENCE_TIMEOUT_MS = 1_500;

/** Longer than a worker blocks on its connection. */
const BLOCKED_SILENCE_TIMEOUT_MS = 2_000;

/**
 * Constant, because a connection counts as ready before its password is checked, which resets ioredis' count of tries.
 * Short enough that readiness notices within five seconds that Redis is up again.
 */
const RECONNECT_AFTER_MS = 250;

/** Answers of `reconnectOnError`: to reconnect and reject the command, or to reconnect and send it again. */
const REJECT = 1;
const RESEND = 2;

/** A write that changes nothing: only a replica refuses it. */
const KEY_THAT_NEVER_EXISTS = 'latchkey:none';

/** The connections of this process. */
const connections = new Set<Redis>();

/** Options of every connection. A connection that goes silent is replaced: its server may have moved. */
const commonOptions: RedisOptions = {
  connectTimeout: COMMAND_TIMEOUT_MS,
  disconnectTimeout: 500,
  keepAlive: 5_000,
  retryStrategy: () => RECONNECT_AFTER_MS,
  // Both use commands that a restricted user may not run. A server that is still loading refuses every command anyway.
  enableReadyCheck: false,
  disableClientInfo: true,
};

/** For requests: fails soon, and queues no command while Redis is down. */
export const quickOptions: RedisOptions = {
  ...commonOptions,
  commandTimeout: COMMAND_TIMEOUT_MS,
  socketTimeout: SILENCE_TIMEOUT_MS,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  reconnectOnError: (error) => isReadOnly(error) && leaveReplica(REJECT),
};

/** For workers: waits until Redis is up, as BullMQ requires. */
export const patientOptions: RedisOptions = {
  ...commonOptions,
  socketTimeout: BLOCKED_SILENCE_TIMEOUT_MS,
  maxRetriesPerRequest: null,
  reconnectOnError: (error) => isReadOnly(error) && leaveReplica(RESEND),
};

/** Connects. The caller handles errors of commands; a lost connection is not an uncaught 'error' event. */
export function connectRedis(url: string, options: RedisOptions): Redis {
  return tamed(new Redis(url, options));
}

/** Prepares a connection that another library opened, and logs when it is lost and when it answers again. */
export function logLosses(redis: Redis): Redis {
  const logger = new Logger('Redis');
  // Every attempt to reconnect fails with the same few errors, which are logged once.
  const logged = new Set<string>();
  redis.on('error', (error: Error) => {
    if (logged.has(error.message)) return;
    logged.add(error.message);
    logger.warn(`Redis does not answer: ${error.message}${hintFor(error, Boolean(redis.options.tls))}`);
  });
  redis.on('ready', async () => {
    if (logged.size === 0 || !(await answers(redis))) return;
    logged.clear();
    logger.log('Redis answers again');
  });
  return tamed(redis);
}

/**
 * Reconnects every connection, because one of them leads to a former master. The others may only have read since, and a
 * replica that lags or that was emptied would answer that a verification is absent.
 */
function leaveReplica(answer: typeof REJECT | typeof RESEND): typeof answer {
  for (const redis of connections) if (redis.status === 'ready') redis.disconnect(true);
  return answer;
}

/**
 * Replaces the connections to the same address on which no command waits, because one fell silent and the server is
 * probably gone. Otherwise a request that uses several would wait for the silence of each. A command that waits is not sent
 * twice for this: its own connection soon counts as silent.
 */
function leaveSilentServer({ options: { host, port } }: Redis): void {
  for (const redis of connections) {
    const isSameServer = redis.options.host === host && redis.options.port === port;
    const isIdle = redis.status === 'ready' && redis.commandQueue.length === 0;
    if (isSameServer && isIdle) redis.disconnect(true);
  }
}

/** @throws Unavailable in place of any error that means that Redis cannot answer now. */
export async function asking<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw isUnavailable(error) ? new Unavailable('redis', { cause: error }) : error;
  }
}

function tamed(redis: Redis): Redis {
  connections.add(redis);
  redis.on('connect', () => writeTogether(redis));
  redis.on('end', () => connections.delete(redis));
  redis.on('error', (error: Error) => isSilence(error) && leaveSilentServer(redis));
  redis.on('ready', () => void answers(redis));
  // ioredis leaves the silence timer of a closed socket running, which would close the next socket.
  redis.on('close', () => {
    const { socketTimeoutTimer } = redis as unknown as { socketTimeoutTimer?: NodeJS.Timeout };
    clearTimeout(socketTimeoutTimer);
    Object.assign(redis, { socketTimeoutTimer: undefined });
  });
  // BullMQ opens the connection on which it blocks this way.
  const duplicate = redis.duplicate.bind(redis);
  redis.duplicate = (override) => tamed(duplicate(override));
  return redis;
}

async function answers(redis: Redis): Promise<boolean> {
  return redis.del(KEY_THAT_NEVER_EXISTS).then(
    () => true,
    () => false,
  );
}

/**
 * Makes the commands of one turn of the event loop leave in one system call, which costs as much as several commands. The
 * automatic pipelines of ioredis are no way to it: see docs/decisions/0065.
 */
function writeTogether(redis: Redis): void {
  const { stream } = redis as unknown as { stream: Socket };
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    if (stream.writableCorked === 0) {
      stream.cork();
      setImmediate(() => stream.uncork());
    }
    return write(...args);
  };
}
