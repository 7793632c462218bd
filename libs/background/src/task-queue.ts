import type { Processor, Queue, Worker, WorkerOptions } from 'bullmq';

/** The name under which tasks wait, whatever they wait in. */
export const QUEUE_NAME = 'latchkey';

export type TaskProcessor = Processor<unknown, void, string>;
export type TaskWorkerOptions = Omit<WorkerOptions, 'connection'>;

/** Where tasks wait: BullMQ on one of its backends, with connections that the driver owns. */
export abstract class TaskQueue {
  // BullMQ types its classes by their backend, and nothing here depends on which one it is.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  abstract readonly queue: Queue<any, any, string, any>;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  abstract work(process: TaskProcessor, options: TaskWorkerOptions): Worker<any, any, string, any>;
  /** Resolves when a worker that was made may be run, and tasks be added. */
  abstract ready(worker?: Worker): Promise<void>;
  /** How many tasks one process has under way at once. */
  abstract readonly concurrency: number;
  /** Closes the connections. Workers must have been closed before. */
  abstract close(): Promise<void>;
}
