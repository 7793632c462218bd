import type { Database, Statement } from '#postgres';
import type { NextTry, Task, TaskEnd, TaskRunner, TaskWorker } from './task-queue.js';
import type { TaskReading } from './task-reading.js';

/** A process that is silent about a task for this long has lost it to another process. */
const LEASE_MS = 5_000;
const RENEW_EVERY_MS = 1_500;

/** A worker looks for due tasks this often although nothing wakes it: for tries that were put off, and lost tasks. */
const LOOK_EVERY_MS = 500;

/** A transaction commits its tasks not much later than they became due. */
const COMMITTED_WITHIN_MS = 1_000;

/** The pause after Postgres did not answer. */
const AFTER_LOSS_MS = 1_000;

const MS = `interval '1 millisecond'`;

/** The columns of a taken task. Those of the reading follow in the same row. */
const TAKEN = `
  taken.id as "taskId", taken.name as "taskName", taken.data as "taskData", taken.tries as "tryNumber",
  taken.max_tries as "maxTries", taken.was_due_at as "taskDueAt"`;

interface TakenRow {
  readonly taskId: string;
  readonly taskName: string;
  readonly taskData: unknown;
  readonly tryNumber: number;
  readonly maxTries: number;
  /** When the task became due. */
  readonly taskDueAt: Date;
}

/**
 * Counts a try before it begins, so that a task that kills its process ends after its tries. With a range of times whose begin it
 * does not know, Postgres expects few tasks. So the plan that it keeps looks up each one by its key, however many ended tasks it has not
 * cleaned from the table yet.
 */
const takeWith = ({ columns, joins }: TaskReading) => ({
  name: 'task-take',
  text: `
    with due as (
      select id, due_at from tasks where due_at between $4 and now() order by due_at limit $1 for update skip locked
    ), taken as (
      update tasks set holder = $2, tries = tries + 1, due_at = clock_timestamp() + $3 * ${MS}
        from due where tasks.id = due.id
      returning tasks.*, due.due_at as was_due_at
    )
    select ${TAKEN}, ${columns} from taken ${joins}`,
});
/**
 * A task whose row is locked is just ending or put off, or the next renewal comes in time. Waiting for it could end in a deadlock
 * with a statement that ends several.
 */
const RENEW = {
  name: 'task-renew',
  text: `
    with held as (select id from tasks where id = any($1) and holder = $2 for update skip locked)
    update tasks set due_at = clock_timestamp() + $3 * ${MS} from held where tasks.id = held.id`,
};
const REMOVE = { name: 'task-remove', text: 'delete from tasks where id = any($1) and holder = $2' };
const PUT_OFF = {
  name: 'task-put-off',
  text: `
    update tasks set holder = null, due_at = clock_timestamp() + $3 * ${MS}, data = coalesce($4::jsonb, data)
     where id = $1 and holder = $2`,
};

interface WorkerOptions {
  readonly run: TaskRunner;
  readonly concurrency: number;
  readonly reading: TaskReading;
  readonly onError: (error: Error) => void;
}

/**
 * Takes due tasks from the table and runs them. A task that is running has an end in the near future, its `due_at`, which
 * the worker keeps moving; when the worker dies, the task becomes due again.
 */
export class PostgresTaskWorker implements TaskWorker {
  private readonly running = new Map<string, Promise<void>>();
  /** Tasks that are over, until the table no longer has them. */
  private over: string[] = [];
  private removal?: Promise<void>;
  private readonly statement: Statement;
  private readonly renewal: NodeJS.Timeout;
  private readonly looking: Promise<void>;
  private isPaused = false;
  /** Most looks begin at this time: before it, Postgres would step over the index entries of ended tasks that it has not cleaned. */
  private firstDueAt = new Date(0);
  private lastWholeLook = Number.NEGATIVE_INFINITY;
  private isAwake = false;
  private wakeUp = () => {};

  /** @param holder identifies this process in the table. */
  constructor(
    private readonly database: Database,
    private readonly holder: string,
    private readonly options: WorkerOptions,
  ) {
    this.statement = takeWith(options.reading);
    this.renewal = setInterval(() => void this.renew(), RENEW_EVERY_MS);
    this.looking = this.look();
  }

  /** Looks for due tasks now. */
  wake(): void {
    this.isAwake = true;
    this.wakeUp();
  }

  async pause(): Promise<void> {
    this.isPaused = true;
    this.wake();
    await this.looking;
    await Promise.all(this.running.values());
    await this.removal;
  }

  async close(): Promise<void> {
    this.isPaused = true;
    this.wake();
    clearInterval(this.renewal);
  }

  private async look(): Promise<void> {
    while (!this.isPaused) {
      this.isAwake = false;
      const free = this.options.concurrency - this.running.size;
      const taken = free > 0 ? await this.take(free) : 0;
      // A full batch is followed by another look, as soon as there is room.
      if (taken === null) await this.sleep(AFTER_LOSS_MS);
      else if (free === 0) await this.sleep(LOOK_EVERY_MS);
      else if (taken < free) await this.sleep(this.lastWholeLook + LOOK_EVERY_MS - performance.now());
    }
  }

  /** @returns the number of tasks that were taken; null if Postgres did not answer. */
  private async take(limit: number): Promise<number | null> {
    const askedAt = performance.now();
    try {
      const isWhole = askedAt - this.lastWholeLook >= LOOK_EVERY_MS;
      const from = isWhole ? '-infinity' : this.firstDueAt;
      const rows = await this.database.run<TakenRow>(this.statement, [limit, this.holder, LEASE_MS, from]);
      if (isWhole) this.lastWholeLook = askedAt;
      if (rows.length > 0) this.firstDueAt = startOfLook(rows);
      if (this.isPaused) await this.giveBack(rows);
      // After a stall of this process another one may have taken the tasks over, and what was read is outdated.
      else for (const row of rows) this.start(taskOf(row, performance.now() - askedAt < LEASE_MS));
      return rows.length;
    } catch (error) {
      this.options.onError(error as Error);
      return null;
    }
  }

  /** Leaves tasks that were taken during a pause to another process: this one may end before they do. */
  private async giveBack(rows: readonly TakenRow[]): Promise<void> {
    await Promise.all(rows.map(({ taskId }) => this.putOff(taskId, { afterMs: 0 })));
  }

  private start(task: Task): void {
    // After a stall of this process its own tasks are due again.
    if (this.running.has(task.id)) return;
    const done = this.options.run(task).then((result) => this.record(task.id, result));
    this.running.set(task.id, done);
  }

  private async record(id: string, result: NextTry | TaskEnd): Promise<void> {
    if (typeof result === 'object') await this.putOff(id, result);
    this.running.delete(id);
    if (result === 'over') this.remove(id);
    // There is room for another task.
    if (this.running.size === this.options.concurrency - 1) this.wake();
  }

  private async putOff(id: string, { afterMs, data }: NextTry): Promise<void> {
    const values = [id, this.holder, afterMs, data ? JSON.stringify(data) : null];
    await this.database.run(PUT_OFF, values).catch(this.options.onError);
  }

  /** Tasks that end during a removal are removed together. */
  private remove(id: string): void {
    this.over.push(id);
    this.removal ??= this.removeOver();
  }

  private async removeOver(): Promise<void> {
    while (this.over.length > 0) {
      const ids = this.over;
      this.over = [];
      // A task that stays in the table runs again, and its handler finds nothing to do.
      await this.database.run(REMOVE, [ids, this.holder]).catch(this.options.onError);
    }
    // In the same step as the last look at `over`, or a task that ends in between would wait for the next removal.
    this.removal = undefined;
  }

  private async renew(): Promise<void> {
    const ids = [...this.running.keys()];
    if (ids.length === 0) return;
    await this.database.run(RENEW, [ids, this.holder, LEASE_MS]).catch(this.options.onError);
  }

  /** Waits for the time, or until something wakes the worker. */
  private async sleep(ms: number): Promise<void> {
    if (this.isAwake) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Tasks that were locked, or are committed later than that, are found by the next whole look. */
function startOfLook(rows: readonly TakenRow[]): Date {
  const first = Math.min(...rows.map(({ taskDueAt }) => taskDueAt.getTime()));
  return new Date(first - COMMITTED_WITHIN_MS);
}

function taskOf(
  { taskId: id, taskName: name, taskData: data, taskDueAt: _, ...row }: TakenRow,
  isFresh: boolean,
): Task {
  const { tryNumber, maxTries, ...reading } = row;
  return { id, name, data, tryNumber, maxTries, ...(isFresh && { reading }) };
}
