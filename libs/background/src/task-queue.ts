import type { Processor, Queue, Worker, WorkerOptions } from 'bullmq';

/** The name of the queue, on every backend. */
export const QUEUE_NAME = 'latchkey';

export type TaskProcessor = Processor<unknown, void, string>;
export type TaskWorkerOptions = Omit<WorkerOptions, 'connection'>;

/** A BullMQ queue on one of its backends. The driver owns the connections. */
export abstract class TaskQueue {
  // BullMQ's types depend on the backend, and this lib does not.
  // biome-ignore lint/suspicious/noExplicitAny: the type arguments depend on the backend
  abstract readonly queue: Queue<any, any, string, any>;
  // biome-ignore lint/suspicious/noExplicitAny: the type arguments depend on the backend
  abstract work(process: TaskProcessor, options: TaskWorkerOptions): Worker<any, any, string, any>;
  /** Resolves when tasks can be added and the worker can be started. */
  abstract ready(worker?: Worker): Promise<void>;
  /** The number of tasks that one process runs at once. */
  abstract readonly concurrency: number;
  /** Closes the connections. Close the worker first. */
  abstract close(): Promise<void>;
}
