import { Injectable } from '@nestjs/common';
import { Queue, Worker } from 'bullmq';
import { connectRedis, patientOptions, quickOptions, RedisOptions } from '#redis';
import { QUEUE_NAME, type TaskProcessor, TaskQueue, type TaskWorkerOptions } from './task-queue.js';

const PREFIX = 'latchkey:queue';

@Injectable()
export class RedisTaskQueue extends TaskQueue {
  readonly concurrency = 50;
  readonly queue: Queue;
  private readonly producer;
  private readonly consumer;

  constructor({ url }: RedisOptions) {
    super();
    this.producer = connectRedis(url, quickOptions);
    this.consumer = connectRedis(url, { ...patientOptions, lazyConnect: true });
    this.queue = new Queue(QUEUE_NAME, { connection: this.producer, prefix: PREFIX });
  }

  work(process: TaskProcessor, options: TaskWorkerOptions): Worker {
    return new Worker(QUEUE_NAME, process, { ...options, connection: this.consumer, prefix: PREFIX });
  }

  /** Resolves at once: a Redis that is down at the start is connected to when it is up. */
  async ready(): Promise<void> {}

  async close(): Promise<void> {
    const closed = this.queue.close();
    // BullMQ waits for a connection that was never ready before it closes it.
    if (this.producer.status !== 'ready') this.producer.disconnect();
    await closed.catch(() => {});
    this.producer.disconnect();
    this.consumer.disconnect();
  }
}
