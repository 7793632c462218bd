import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import {
  type BackendFactory,
  createRedisBackend,
  type Job,
  Queue,
  RedisConnection,
  type RedisQueueBackend,
  Worker,
} from 'bullmq';
import { connectRedis, patientOptions, quickOptions, RedisOptions } from '#redis';
import { pausingAfterFailures } from './pausing-backend.js';
import { TRIES } from './retries.js';
import {
  type NewTask,
  type NextTry,
  type Task,
  type TaskEnd,
  TaskQueue,
  type TaskRunner,
  type TaskWorker,
} from './task-queue.js';

type Connection = ReturnType<typeof connectRedis>;

const QUEUE_NAME = 'latchkey';

const CONNECT_WITHIN_MS = 1_000;

/** Shorter than the time after which a silent connection is replaced. */
const BLOCK_SECONDS = 1;

/** The task of a process that died is found after the lock's life and one or two checks, well under ten seconds. */
const LOCK_MS = 5_000;
const CHECK_FOR_ABANDONED_MS = 1_500;

/** The pause of a worker that lost Redis, before it tries again. */
const AFTER_LOSS_MS = 1_000;

// BullMQ assumes this version where it may not ask for it. Asking needs INFO, which a restricted user may not run.
RedisConnection.minimumVersion = '6.2.0';

/** Without `skipWaitingForReady` a task would be added long after its request was answered with 503. */
const OPTIONS = { prefix: 'latchkey:queue', skipVersionCheck: true, skipWaitingForReady: true };

/** Makes BullMQ try a task again. BullMQ stores the message. */
class Retry extends Error {
  constructor(readonly afterMs: number) {
    super('another try');
  }
}

/** BullMQ on Redis. */
@Injectable()
export class RedisTaskQueue extends TaskQueue {
  private readonly queue: Queue;
  private readonly url: string;
  private readonly producer: Connection;
  private consumer?: Connection;
  private onWorkerError = (_error: Error) => {};

  constructor({ url }: RedisOptions) {
    super();
    this.url = url;
    this.producer = connectRedis(url, quickOptions);
    this.queue = new Queue(QUEUE_NAME, { ...OPTIONS, connection: this.producer });
  }

  onError(listener: (error: Error) => void): void {
    this.queue.on('error', listener);
    this.onWorkerError = listener;
  }

  /** Waits briefly: a Redis that is down at the start is connected to when it is up. */
  async ready(): Promise<void> {
    if (this.producer.status === 'ready') return;
    const connected = once(this.producer, 'ready').catch(() => {}); // an error, which the connection logs
    await Promise.race([connected, wait(CONNECT_WITHIN_MS, undefined, { ref: false })]);
  }

  async add({ id, name, data, maxTries }: NewTask): Promise<void> {
    await this.queue.add(name, data, {
      jobId: id,
      attempts: maxTries,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: true,
      stackTraceLimit: 0,
    });
  }

  announce(): void {}

  work(run: TaskRunner): TaskWorker {
    this.consumer = connectRedis(this.url, patientOptions);
    const settings = {
      ...{ ...OPTIONS, connection: this.consumer, drainDelay: BLOCK_SECONDS, concurrency: this.concurrency },
      lockDuration: LOCK_MS,
      stalledInterval: CHECK_FOR_ABANDONED_MS,
      maxStalledCount: TRIES,
      runRetryDelay: AFTER_LOSS_MS,
      settings: { backoffStrategy: (_made: number, _type?: string, error?: Error) => waitAfter(error) },
    };
    const worker = new Worker(
      QUEUE_NAME,
      async (job) => retry(job, await run(taskOf(job))),
      settings,
      backend,
    );
    worker.on('error', this.onWorkerError);
    return {
      pause: () => worker.pause().catch(() => {}),
      // A close that waits for its tasks cannot be forced later.
      close: () => worker.close(true),
    };
  }

  async ping(): Promise<void> {
    await this.queue.isPaused();
  }

  async hasWaiting(): Promise<boolean> {
    return (await this.queue.getJobCountByTypes('waiting', 'prioritized', 'active')) > 0;
  }

  async ids(): Promise<string[]> {
    const jobs: Job[] = await this.queue.getJobs(['waiting', 'prioritized', 'delayed', 'active']);
    return jobs.flatMap((job) => job?.id ?? []).toSorted();
  }

  async close(): Promise<void> {
    // BullMQ waits for a connection that was never ready before it closes it.
    this.producer.disconnect();
    this.consumer?.disconnect();
    await this.queue.close().catch(() => {});
  }
}

function taskOf({ id = '', name, data, attemptsMade, opts }: Job): Task {
  return { id, name, data, tryNumber: attemptsMade + 1, maxTries: opts.attempts ?? TRIES };
}

async function retry(job: Job, next: NextTry | TaskEnd): Promise<void> {
  if (typeof next === 'string') return;
  if (next.data) await job.updateData(next.data);
  throw new Retry(next.afterMs);
}

function waitAfter(error?: Error): number {
  return error instanceof Retry ? error.afterMs : AFTER_LOSS_MS;
}

/** Bounds how long the worker blocks on its connection, also while tasks are delayed. */
const backend: BackendFactory<RedisQueueBackend> = (...args) =>
  Object.defineProperty(
    pausingAfterFailures(createRedisBackend(...args), AFTER_LOSS_MS),
    'maximumBlockTimeout',
    {
      value: BLOCK_SECONDS,
    },
  );
