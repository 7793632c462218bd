import { Logger } from '@nestjs/common';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { AppError, Unavailable } from '#errors';

const COMMAND_TIMEOUT_MS = 2_000;

/** At most one second between tries, so that readiness notices within five seconds that Redis is up again. */
const retryStrategy = (times: number) => Math.min(times * 100, 1_000);

/** For requests: fails soon, and queues no command while Redis is down. */
export const quickOptions: RedisOptions = {
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: COMMAND_TIMEOUT_MS,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  retryStrategy,
};

/** For workers: waits until Redis is up, as BullMQ requires. */
export const patientOptions: RedisOptions = { maxRetriesPerRequest: null, retryStrategy };

/** Connects, and logs a lost connection instead of throwing an uncaught 'error' event. */
export function connectRedis(url: string, options: RedisOptions): Redis {
  return logErrors(new Redis(url, options));
}

export function logErrors(redis: Redis): Redis {
  const logger = new Logger('Redis');
  let lastMessage = '';
  redis.on('error', (error: Error) => {
    // Every attempt to reconnect fails with the same error, which is logged once.
    if (error.message !== lastMessage) logger.warn(`Redis does not answer: ${error.message}`);
    lastMessage = error.message;
  });
  redis.on('ready', () => {
    if (lastMessage) logger.log('Redis answers again');
    lastMessage = '';
  });
  return redis;
}

/** @throws Unavailable in place of any error that means that Redis cannot answer now. */
export async function asking<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw isUnavailable(error) ? new Unavailable('redis', { cause: error }) : error;
  }
}

/** A reply about the command itself is a bug; any other failure, and a few replies, mean "not now". */
function isUnavailable(error: unknown): boolean {
  if (error instanceof AppError) return false;
  if (!(error instanceof ReplyError)) return true;
  return /^(LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/.test(
    (error as Error).message,
  );
}
