import { setTimeout as wait } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Unavailable } from '#errors';
import { TRIES } from './retries.js';
import { runTask, type TaskHandler } from './run-task.js';
import { TaskQueue, type TaskWorker } from './task-queue.js';

/** A driver may wait for a server that is down, which a request cannot. */
const ENQUEUE_TIMEOUT_MS = 2_000;

const PING_TIMEOUT_MS = 1_400;

/** A task may take its provider's eight seconds and a little; a shutdown starts none that it might have to abandon. */
const LONGEST_TASK_MS = 8_500;
const CHECK_FOR_IDLE_MS = 50;
const CLOSE_TIMEOUT_MS = 300;

/** After its last task the worker only tells the queue, which may not answer. */
const AFTER_LAST_TASK_MS = 1_000;

/** An error that repeats is logged again after this time. */
const WARN_AGAIN_AFTER_MS = 60_000;
const MOST_WARNINGS = 100;

export abstract class BackgroundOptions {
  /** True if this process does tasks; false if it only adds them for other processes. */
  abstract readonly inProcess: boolean;
  abstract readonly drainTimeoutMs: number;
}

/**
 * Work that outlives the request that asked for it. A task is durable from the moment `enqueue` resolves:
 * it is done by this process, by another one, or after the next start.
 */
@Injectable()
export class BackgroundService
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new Logger('Background');
  private readonly handlers = new Map<string, TaskHandler<unknown>>();
  private readonly running = new Map<Promise<void>, string>();
  private readonly timers: NodeJS.Timeout[] = [];
  private worker?: TaskWorker;
  private readonly activeTasks = new Set<Promise<unknown>>();
  /** When each error of the queue was last logged. */
  private readonly warnedAt = new Map<string, number>();
  private drainDeadline?: number;

  constructor(
    private readonly tasks: TaskQueue,
    private readonly options: BackgroundOptions,
  ) {
    this.tasks.onError((error) => this.warnOnce(error));
  }

  /** Sets the handler of a task. Every process that may do the task must register it before bootstrap. */
  register<Data>(task: string, handler: TaskHandler<Data>): void {
    this.handlers.set(task, handler as TaskHandler<unknown>);
  }

  /**
   * Adds a task. Resolves when the task is durable.
   *
   * @param id adding the same id again while the task waits or runs changes nothing.
   * @param tries the most tries, the first one included.
   * @throws Unavailable
   */
  async enqueue(
    task: string,
    id: string,
    data: Record<string, string | number>,
    tries = TRIES,
  ): Promise<void> {
    const added = this.tasks.add({ id, name: task, data, maxTries: tries });
    const isAdded = await resolvesWithin(ENQUEUE_TIMEOUT_MS, added).catch((cause) => {
      throw new Unavailable('queue', { cause });
    });
    if (!isAdded) throw new Unavailable('queue');
  }

  /** Starts tasks soon that a store has added to the queue by a statement of its own. */
  announce(): void {
    this.tasks.announce();
  }

  /**
   * Fails while tasks cannot be added.
   *
   * @throws Unavailable
   */
  async ping(): Promise<void> {
    const isRead = await resolvesWithin(PING_TIMEOUT_MS, this.tasks.ping()).catch((cause) => {
      throw new Unavailable('queue', { cause });
    });
    if (!isRead) throw new Unavailable('queue');
  }

  /** Starts work that only this process does. Logs its failure by name, and a shutdown waits for it. */
  run(name: string, work: () => Promise<unknown>): void {
    const done: Promise<void> = work()
      .then(() => {})
      .catch((error: Error) => this.logger.warn(`${name}: ${error.message}`))
      .finally(() => this.running.delete(done));
    this.running.set(done, name);
  }

  /**
   * Repeats work, never overlapping, in each process that does tasks. The first run is one interval after the start.
   * Several processes may do it at once, so it must be idempotent.
   */
  every(intervalMs: number, name: string, work: () => Promise<unknown>): void {
    if (!this.options.inProcess) return;
    this.timers.push(setInterval(() => !this.isRunning(name) && this.run(name, work), intervalMs));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.tasks.ready();
    if (!this.options.inProcess) return;
    this.worker = this.tasks.work((task) => this.track(runTask(task, this.handlers.get(task.name))));
  }

  /** The requests that still run when HTTP closes share the drain timeout with the tasks. */
  beforeApplicationShutdown(): void {
    this.drainDeadline = Date.now() + this.options.drainTimeoutMs;
  }

  /**
   * Runs after HTTP has closed, so no request adds a task any more. Nest shuts global modules down last, so Postgres and
   * Redis, whose modules are global, are still connected: this module must not become global itself.
   */
  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.drain(this.drainDeadline ?? Date.now() + this.options.drainTimeoutMs);
    await resolvesWithin(CLOSE_TIMEOUT_MS, this.tasks.close()).catch((error) => this.warnOnce(error));
  }

  /**
   * Starts waiting tasks while there is time to finish one, then waits for the running ones until the deadline.
   * The rest stays in the queue.
   */
  private async drain(deadline: number): Promise<void> {
    if (this.worker) await this.drainWorker(this.worker, deadline);
    await resolvesWithin(deadline - Date.now(), Promise.all(this.running.keys()));
  }

  private async drainWorker(worker: TaskWorker, deadline: number): Promise<void> {
    while (Date.now() < deadline - LONGEST_TASK_MS && (await this.hasTasks())) await wait(CHECK_FOR_IDLE_MS);
    const paused = worker.pause();
    const finished = this.untilNoTaskRuns().then(() => resolvesWithin(AFTER_LAST_TASK_MS, paused));
    const isIdle = await resolvesWithin(deadline - Date.now(), finished);
    if (!isIdle)
      this.logger.warn('the drain timeout has passed: unfinished tasks are left to another process');
    await resolvesWithin(CLOSE_TIMEOUT_MS, worker.close());
  }

  /** Resolves when this process runs no task, which says nothing about whether the queue knows. */
  private async untilNoTaskRuns(): Promise<void> {
    while (this.activeTasks.size > 0) await Promise.allSettled(this.activeTasks);
  }

  private track<T>(task: Promise<T>): Promise<T> {
    this.activeTasks.add(task);
    return task.finally(() => this.activeTasks.delete(task));
  }

  private hasTasks(): Promise<boolean> {
    return this.tasks.hasWaiting().catch(() => false);
  }

  /** Logs an error once a minute, because every attempt to reconnect fails with the same few. */
  private warnOnce({ message }: Error): void {
    const now = Date.now();
    if (now - (this.warnedAt.get(message) ?? 0) < WARN_AGAIN_AFTER_MS) return;
    if (this.warnedAt.size === MOST_WARNINGS) this.warnedAt.clear();
    this.warnedAt.set(message, now);
    this.logger.warn(`the queue does not answer: ${message}`);
  }

  private isRunning(name: string): boolean {
    return [...this.running.values()].includes(name);
  }
}

/** Returns false when the promise is still pending after the time. */
function resolvesWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(0, ms), false);
    promise.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  });
}
