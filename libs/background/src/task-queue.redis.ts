import { Queue, Worker } from 'bullmq';
import { connectRedis, patientOptions, quickOptions } from '#redis';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

const PREFIX = 'latchkey:queue';

export class RedisTaskQueue extends TaskQueue {
  readonly concurrency = 50;
  readonly queue: Queue;
  private readonly producer;
  private readonly consumer;

  constructor(url: string) {
    super();
    this.producer = connectRedis(url, quickOptions);
    this.consumer = connectRedis(url, { ...patientOptions, lazyConnect: true });
    this.queue = new Queue(QUEUE_NAME, { connection: this.producer, prefix: PREFIX });
  }

  work(process: TaskProcessor, options: TaskWorkerOptions): Worker {
    return new Worker(QUEUE_NAME, process, { ...options, connection: this.consumer, prefix: PREFIX });
  }

  /** Nothing to wait for: a Redis that is away at the start is joined when it comes. */
  async ready(): Promise<void> {}

  async close(): Promise<void> {
    const closed = this.queue.close();
    // To close what was never ready BullMQ would wait until it is.
    if (this.producer.status !== 'ready') this.producer.disconnect();
    await closed.catch(() => {});
    this.producer.disconnect();
    this.consumer.disconnect();
  }
}
