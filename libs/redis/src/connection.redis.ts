import { Logger } from '@nestjs/common';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { AppError, Unavailable } from '#errors';

const COMMAND_TIMEOUT_MS = 2_000;

/** Soon at first, every second at most: a Redis that came back is noticed within readiness's five seconds. */
const retryStrategy = (times: number) => Math.min(times * 100, 1_000);

/** For requests: an answer or an error soon, and nothing queued up behind a Redis that is away. */
export const quickOptions: RedisOptions = {
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: COMMAND_TIMEOUT_MS,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  retryStrategy,
};

/** For workers: waits as long as it takes. BullMQ asks for it. */
export const patientOptions: RedisOptions = { maxRetriesPerRequest: null, retryStrategy };

/** A connection whose loss is a log line rather than an uncaught 'error' event. */
export function connectRedis(url: string, options: RedisOptions): Redis {
  return logErrors(new Redis(url, options));
}

export function logErrors(redis: Redis): Redis {
  const logger = new Logger('Redis');
  let lastMessage = '';
  redis.on('error', (error: Error) => {
    // Every attempt to reconnect fails alike; once is enough.
    if (error.message !== lastMessage) logger.warn(`Redis does not answer: ${error.message}`);
    lastMessage = error.message;
  });
  redis.on('ready', () => {
    if (lastMessage) logger.log('Redis answers again');
    lastMessage = '';
  });
  return redis;
}

/** @throws Unavailable instead of whatever says that Redis cannot answer now. */
export async function asking<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw isAway(error) ? new Unavailable('redis', { cause: error }) : error;
  }
}

/** A reply that blames the command is our own fault; any other failure, and a few replies, mean "not now". */
function isAway(error: unknown): boolean {
  if (error instanceof AppError) return false;
  if (!(error instanceof ReplyError)) return true;
  return /^(LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)/.test(
    (error as Error).message,
  );
}
