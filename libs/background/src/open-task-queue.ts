import type { RedisOptions } from '#redis';
import type { TaskQueue } from './task-queue.js';

/** Loads BullMQ as well, which a process without Redis does not need. */
export async function openRedisTaskQueue(options: RedisOptions): Promise<TaskQueue> {
  const { RedisTaskQueue } = await import('./task-queue.redis.js');
  return new RedisTaskQueue(options);
}
