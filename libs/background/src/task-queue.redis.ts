import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import {
  type BackendFactory,
  createRedisBackend,
  Queue,
  RedisConnection,
  type RedisQueueBackend,
  Worker,
} from 'bullmq';
import { connectRedis, patientOptions, quickOptions, RedisOptions } from '#redis';
import { pausingAfterFailures } from './pausing-backend.js';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

type Connection = ReturnType<typeof connectRedis>;

const CONNECT_WITHIN_MS = 1_000;

/** Shorter than the time after which a silent connection is replaced. */
const BLOCK_SECONDS = 1;

// BullMQ assumes this version where it may not ask for it. Asking needs INFO, which a restricted user may not run.
RedisConnection.minimumVersion = '6.2.0';

/** Without `skipWaitingForReady` a task would be added long after its request was answered with 503. */
const OPTIONS = { prefix: 'latchkey:queue', skipVersionCheck: true, skipWaitingForReady: true };

@Injectable()
export class RedisTaskQueue extends TaskQueue {
  readonly concurrency = 50;
  readonly queue: Queue;
  private readonly url: string;
  private readonly producer: Connection;
  private consumer?: Connection;

  constructor({ url }: RedisOptions) {
    super();
    this.url = url;
    this.producer = connectRedis(url, quickOptions);
    this.queue = new Queue(QUEUE_NAME, { ...OPTIONS, connection: this.producer });
  }

  work(process: TaskProcessor, options: TaskWorkerOptions): Worker {
    this.consumer = connectRedis(this.url, patientOptions);
    const settings = { ...options, ...OPTIONS, connection: this.consumer, drainDelay: BLOCK_SECONDS };
    return new Worker(QUEUE_NAME, process, settings, backendFor(options));
  }

  /** Waits briefly: a Redis that is down at the start is connected to when it is up. */
  async ready(): Promise<void> {
    if (this.producer.status === 'ready') return;
    const connected = once(this.producer, 'ready').catch(() => {}); // an error, which the connection logs
    await Promise.race([connected, wait(CONNECT_WITHIN_MS, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    // BullMQ waits for a connection that was never ready before it closes it.
    this.producer.disconnect();
    this.consumer?.disconnect();
    await this.queue.close().catch(() => {});
  }
}

/** Bounds how long the worker blocks on its connection, also while tasks are delayed. */
function backendFor({ runRetryDelay = 0 }: TaskWorkerOptions): BackendFactory<RedisQueueBackend> {
  return (...args) => {
    const backend = pausingAfterFailures(createRedisBackend(...args), runRetryDelay);
    return Object.defineProperty(backend, 'maximumBlockTimeout', { value: BLOCK_SECONDS });
  };
}
