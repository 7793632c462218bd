import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, Listener, PostgresOptions } from '#postgres';
import { addTasks } from './add-tasks.js';
import { type NewTask, TaskQueue, type TaskRunner, type TaskWorker } from './task-queue.js';
import { TaskReading } from './task-reading.js';
import { PostgresTaskWorker } from './task-worker.postgres.js';

const CHANNEL = 'latchkey_tasks';

/** Tasks that are added within this time wake the workers of other processes once. */
const ANNOUNCE_AFTER_MS = 5;

const ADD = { name: 'task-add', text: addTasks('values ($1, $2, $3::jsonb, $4)') };
const ANNOUNCE = { name: 'task-announce', text: `select pg_notify('${CHANNEL}', '')` };
const HAS_WAITING = {
  name: 'task-has-waiting',
  text: 'select exists (select from tasks where due_at <= now()) as waits',
};

/** A table of tasks: see docs/decisions/0058. */
@Injectable()
export class PostgresTaskQueue extends TaskQueue {
  private readonly holder = randomUUID();
  private readonly listeners: ((error: Error) => void)[] = [];
  private worker?: PostgresTaskWorker;
  private wakeUps?: Listener;
  private announcement?: NodeJS.Timeout;

  constructor(
    private readonly database: Database,
    private readonly options: PostgresOptions,
    private readonly reading: TaskReading,
  ) {
    super();
  }

  onError(listener: (error: Error) => void): void {
    this.listeners.push(listener);
  }

  async ready(): Promise<void> {}

  async add({ id, name, data, maxTries }: NewTask): Promise<void> {
    await this.database.run(ADD, [id, name, JSON.stringify(data), maxTries]);
    this.announce();
  }

  announce(): void {
    if (this.worker) this.worker.wake();
    else this.announcement ??= setTimeout(() => this.wakeOthers(), ANNOUNCE_AFTER_MS);
  }

  work(run: TaskRunner): TaskWorker {
    const worker = new PostgresTaskWorker(this.database, this.holder, {
      ...{ run, concurrency: this.concurrency, reading: this.reading },
      onError: (error) => this.report(error),
    });
    this.worker = worker;
    this.wakeUps = new Listener(this.options.url, CHANNEL, () => worker.wake());
    return worker;
  }

  async ping(): Promise<void> {
    await this.hasWaiting();
  }

  async hasWaiting(): Promise<boolean> {
    const [row] = await this.database.run<{ waits: boolean }>(HAS_WAITING);
    return row?.waits ?? false;
  }

  async ids(): Promise<string[]> {
    const rows = await this.database.run<{ id: string }>({
      name: 'task-ids',
      text: 'select id from tasks order by id',
    });
    return rows.map(({ id }) => id);
  }

  async close(): Promise<void> {
    clearTimeout(this.announcement);
    await this.wakeUps?.close();
  }

  /** A worker that is not woken finds the task when it next looks. */
  private wakeOthers(): void {
    this.announcement = undefined;
    this.database.run(ANNOUNCE).catch((error) => this.report(error));
  }

  private report(error: Error): void {
    for (const listener of this.listeners) listener(error);
  }
}
