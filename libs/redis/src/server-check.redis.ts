import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { connectRedis, quickOptions } from './connection.redis.js';
import { REQUIRED_COMMANDS } from './required-commands.js';
import { CLUSTER_FAULT, connectionFault, rightsFault, type ServerFault } from './server-fault.js';

/**
 * Asks Redis whether Latchkey can work with it: its password, TLS, cluster mode, and the rights of its user.
 *
 * @returns null if it can, and also if Redis is unreachable, which passes by itself.
 */
export async function findServerFault(url: string): Promise<ServerFault | null> {
  const redis = connectRedis(url, { ...quickOptions, lazyConnect: true, retryStrategy: () => null });
  let lastError: Error | null = null;
  redis.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await redis.connect();
    await redis.ping();
    if (await isCluster(redis)) return CLUSTER_FAULT;
    // A database that does not exist is an event only: the connection goes on with database 0.
    return (await missingRights(redis)) ?? (lastError && connectionFault(lastError));
  } catch (error) {
    // The event says why a connection was closed; the rejection of a command may not.
    return connectionFault(lastError ?? (error as Error));
  } finally {
    redis.disconnect();
  }
}

/** HELLO needs no right beyond those of every connection. Where it is unknown, replies tell at run time. */
async function isCluster(redis: Redis): Promise<boolean> {
  const members = (await redis.call('HELLO').catch(() => [])) as unknown[];
  return members[members.indexOf('mode') + 1] === 'cluster';
}

/**
 * Queues every command in a transaction and discards it. Redis checks rights when it queues a command, so nothing is
 * executed, and the user needs no right to ask about rights.
 */
async function missingRights(redis: Redis): Promise<ServerFault | null> {
  const key = `latchkey:check:${randomUUID()}`;
  await redis.multi({ pipeline: false });
  const replies = await Promise.all(
    REQUIRED_COMMANDS.map(async (command) => {
      const [name, ...args] = command.split(' ').map((word) => (word === 'KEY' ? key : word));
      const message = await redis.call(name as string, ...args).then(String, ({ message }: Error) => message);
      return { name: name as string, message };
    }),
  );
  await redis.discard();
  return rightsFault(replies, redis.options.username ?? 'default');
}
