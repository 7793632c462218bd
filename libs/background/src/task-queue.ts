/** A task to add. The queue stores it in plain text, so it must contain ids only. */
export interface NewTask {
  readonly id: string;
  readonly name: string;
  readonly data: Readonly<Record<string, string | number>>;
  /** The most tries, the first one included. */
  readonly maxTries: number;
}

/** One try of a task. */
export interface Task {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** 1 for the first try. It is above `maxTries` if processes died during the last tries. */
  readonly tryNumber: number;
  readonly maxTries: number;
  /** The row that the queue's `TaskReading` found as the task was taken; undefined where the queue reads none. */
  readonly reading?: object;
}

/** The next try of a task that needs one. */
export interface NextTry {
  readonly afterMs: number;
  /** Replaces the task's data. */
  readonly data?: object;
}

/** The result of a try after which the task is over. `removed`: a store's own statement has removed it from the queue. */
export type TaskEnd = 'over' | 'removed';

/** Runs one try. Never rejects. */
export type TaskRunner = (task: Task) => Promise<NextTry | TaskEnd>;

/** Runs tasks of the queue in this process. */
export interface TaskWorker {
  /** Takes no more tasks. Resolves when the queue knows the outcome of those that were running. */
  pause(): Promise<void>;
  /** Stops at once. Another process takes over the tasks that are running. */
  close(): Promise<void>;
}

/** Enough for 300 messages a second with a provider that answers in 200 ms. A SIGKILL may make as many be sent twice. */
const TASKS_AT_ONCE = 72;

/** A durable queue. The driver owns its connections. */
export abstract class TaskQueue {
  /** The number of tasks that one process runs at once. */
  readonly concurrency = TASKS_AT_ONCE;

  /** Calls the listener with every error that no caller gets. */
  abstract onError(listener: (error: Error) => void): void;

  /** Resolves when tasks can be added and taken. */
  abstract ready(): Promise<void>;

  /** Resolves when the task is durable. An id whose task waits or runs is not added again. */
  abstract add(task: NewTask): Promise<void>;

  /** Tells the workers of tasks that a store's own statement has added to the queue. */
  abstract announce(): void;

  abstract work(run: TaskRunner): TaskWorker;

  /** Fails while the queue does not answer. */
  abstract ping(): Promise<void>;

  /** Returns true if tasks wait that could run now. */
  abstract hasWaiting(): Promise<boolean>;

  /** Returns the ids of all tasks: waiting, running, and waiting for another try. */
  abstract ids(): Promise<string[]>;

  /** Closes the connections. Close the worker first. */
  abstract close(): Promise<void>;
}
