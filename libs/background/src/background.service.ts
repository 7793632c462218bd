import { setTimeout as wait } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { type Job, UnrecoverableError, type Worker } from 'bullmq';
import { Unavailable } from '#errors';
import { backOffMs, GiveUp, TRIES, TryAgain } from './retries.js';
import { TaskQueue } from './task-queue.js';

/** Whose task it was when its process died is known after the lock's life and one or two looks, well under ten seconds. */
const LOCK_MS = 5_000;
const LOOK_FOR_ABANDONED_MS = 1_500;

/** BullMQ itself waits for a backend that is away, which a request cannot. */
const ENQUEUE_TIMEOUT_MS = 2_000;

/** How long a worker that lost its backend waits before it looks again. */
const AFTER_LOSS_MS = 1_000;

/** A task may take its provider's eight seconds and a little; a shutdown begins none that it could not see end. */
const LONGEST_TASK_MS = 8_500;
const LOOK_WHETHER_IDLE_MS = 50;
const CLOSE_TIMEOUT_MS = 500;

/** What is done with the tasks of one name. The data is kept in clear: it may hold ids and nothing else. */
export interface TaskHandler<Data> {
  /**
   * @throws TryAgain to be called again, GiveUp not to be. Any other error counts as TryAgain.
   */
  run(data: Data): Promise<void>;
  /** Called once, after the last try failed. */
  gaveUp(data: Data, reason: string): Promise<void>;
}

export abstract class BackgroundOptions {
  /** Whether this process does the tasks that it accepts, or leaves them to others. */
  abstract readonly inProcess: boolean;
  abstract readonly drainTimeoutMs: number;
}

/**
 * Work that outlives the request that asked for it. A task is durable from the moment `enqueue` resolves:
 * it is done by this process, by another one, or after the next start.
 */
@Injectable()
export class BackgroundService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Background');
  private readonly handlers = new Map<string, TaskHandler<unknown>>();
  private readonly running = new Map<Promise<void>, string>();
  private readonly timers: NodeJS.Timeout[] = [];
  private worker?: Worker;
  private lastWarning = '';

  constructor(
    private readonly tasks: TaskQueue,
    private readonly options: BackgroundOptions,
  ) {
    this.tasks.queue.on('error', (error) => this.warnOnce(error));
  }

  /** Names the handler of a task. Every process that may do the task must know it. */
  register<Data>(task: string, handler: TaskHandler<Data>): void {
    this.handlers.set(task, handler as TaskHandler<unknown>);
  }

  /**
   * Resolves when the task cannot be lost any more.
   *
   * @param id adding the same id again while the task waits or runs changes nothing.
   * @param tries how often it is tried, the first time included.
   * @throws Unavailable
   */
  async enqueue(
    task: string,
    id: string,
    data: Record<string, string | number>,
    tries = TRIES,
  ): Promise<void> {
    const added = this.tasks.queue.add(task, data, {
      jobId: id,
      attempts: tries,
      backoff: { type: 'custom' },
      removeOnComplete: true,
      removeOnFail: true,
      stackTraceLimit: 0,
    });
    const isAdded = await until(
      Date.now() + ENQUEUE_TIMEOUT_MS,
      added.then(() => true),
    ).catch((cause) => {
      throw new Unavailable('queue', { cause });
    });
    if (!isAdded) throw new Unavailable('queue');
  }

  /** Work of this process alone, with a name to blame. A shutdown waits for it. */
  run(name: string, work: () => Promise<unknown>): void {
    const done: Promise<void> = work()
      .then(() => {})
      .catch((error: Error) => this.logger.warn(`${name}: ${error.message}`))
      .finally(() => this.running.delete(done));
    this.running.set(done, name);
  }

  /** Repeats work in the processes that do tasks, from one interval after the start. It must not matter who does it. */
  every(intervalMs: number, name: string, work: () => Promise<unknown>): void {
    if (!this.options.inProcess) return;
    this.timers.push(setInterval(() => !this.isRunning(name) && this.run(name, work), intervalMs));
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.options.inProcess) this.worker = this.makeWorker();
    await this.tasks.ready(this.worker);
    this.worker?.run().catch((error) => this.warnOnce(error));
  }

  private makeWorker(): Worker {
    const worker = this.tasks.work((job) => this.process(job), {
      autorun: false,
      concurrency: this.tasks.concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: LOOK_FOR_ABANDONED_MS,
      maxStalledCount: TRIES,
      runRetryDelay: AFTER_LOSS_MS,
      settings: { backoffStrategy: (made, _type, error) => backOffMs(made, error) },
    });
    worker.on('error', (error) => this.warnOnce(error));
    return worker;
  }

  /** Runs before the connections close, because their modules are global or imported by this one. */
  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.drain(Date.now() + this.options.drainTimeoutMs);
    await until(Date.now() + CLOSE_TIMEOUT_MS, this.tasks.close());
  }

  /**
   * Tasks that wait are still begun while there is time to finish one; then those under way are waited for.
   * What is left stays in the queue.
   */
  private async drain(deadline: number): Promise<void> {
    const { worker } = this;
    if (worker) {
      while (Date.now() < deadline - LONGEST_TASK_MS && (await this.hasTasks()))
        await wait(LOOK_WHETHER_IDLE_MS);
      // A close that waits could not be turned into one that does not.
      const isIdle = await until(
        deadline,
        worker.pause().then(() => true),
      ).catch(() => false);
      if (!isIdle) this.logger.warn('the time to drain is over; tasks under way are left to another process');
      await until(Date.now() + CLOSE_TIMEOUT_MS, worker.close(true));
    }
    await until(deadline, Promise.all(this.running.keys()));
  }

  private async hasTasks(): Promise<boolean> {
    const counts = await this.tasks.queue.getJobCounts('waiting', 'prioritized', 'active').catch(() => ({}));
    return Object.values(counts).some((count) => count > 0);
  }

  private async process(job: Job): Promise<void> {
    const handler = this.handlers.get(job.name);
    if (!handler) throw new Error(`no handler for ${job.name}`);
    const number = job.attemptsMade + 1;
    try {
      await handler.run(job.data);
    } catch (error) {
      if (!(error instanceof GiveUp) && number < (job.opts.attempts ?? TRIES))
        throw await this.forTheQueue(job, error);
      const reason = error instanceof GiveUp ? error.message : `failed ${number} times`;
      this.logger.warn(`${nameOf(job)} given up: ${reason}`);
      await handler.gaveUp(job.data, reason).catch(async (failure) => {
        throw await this.forTheQueue(job, failure);
      });
      throw new UnrecoverableError(reason);
    }
  }

  /** The queue keeps an error's message, so only messages known to be harmless get there. */
  private async forTheQueue(job: Job, error: unknown): Promise<Error> {
    if (!(error instanceof TryAgain)) {
      this.logger.error(`${nameOf(job)} failed`, error instanceof Error ? error.stack : String(error));
      return new TryAgain('unforeseen');
    }
    if (error.data) await job.updateData(error.data);
    return error;
  }

  /** Every attempt to reconnect fails alike; once in a row is enough. */
  private warnOnce({ message }: Error): void {
    if (message !== this.lastWarning) this.logger.warn(`the queue does not answer: ${message}`);
    this.lastWarning = message;
  }

  private isRunning(name: string): boolean {
    return [...this.running.values()].includes(name);
  }
}

/** For logs: an id may be somebody's handle, so only its beginning is told. */
function nameOf({ name, id = '' }: Job): string {
  return `${name} ${id.slice(0, 6)}…`;
}

/** What the promise says, or null when the deadline comes first. */
async function until<T>(deadline: number, promise: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  const timeout = wait(Math.max(0, deadline - Date.now()), null, { signal: timer.signal }).catch(() => null);
  return Promise.race([promise, timeout]).finally(() => timer.abort());
}
