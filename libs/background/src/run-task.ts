import { Logger } from '@nestjs/common';
import { inOwnLogContext } from '#logging';
import { backOffMs, GiveUp, TryAgain } from './retries.js';
import type { NextTry, Task, TaskEnd } from './task-queue.js';

/** Does the tasks of one name. The queue stores the data in plain text, so it must contain ids only. */
export interface TaskHandler<Data> {
  /**
   * @param reading the row that `TaskReading` found with the task. Undefined: nothing was read, or too long ago.
   * @throws TryAgain for another try, GiveUp for none. Any other error counts as TryAgain.
   */
  run(data: Data, reading?: object): Promise<TaskEnd>;
  /** Called when the task failed for good. If it throws, the task is tried again while it has tries left. */
  gaveUp(data: Data, reason: string): Promise<void>;
}

const logger = new Logger('Background');

/** Runs one try of a task. Returns what its next try needs, unless the task is over. */
export function runTask(task: Task, handler: TaskHandler<unknown> | undefined): Promise<NextTry | TaskEnd> {
  return inOwnLogContext(() => runTry(task, handler));
}

async function runTry(task: Task, handler: TaskHandler<unknown> | undefined): Promise<NextTry | TaskEnd> {
  const { tryNumber, maxTries, data, reading } = task;
  const hasTriesLeft = tryNumber < maxTries;
  try {
    if (!handler) throw new Error(`no handler is registered for the task "${task.name}"`);
    if (tryNumber > maxTries) throw new GiveUp(`its process ended ${maxTries} times`);
    return await handler.run(data, reading);
  } catch (error) {
    if (hasTriesLeft && !(error instanceof GiveUp)) return nextTry(task, error);
    const reason = error instanceof GiveUp ? error.message : `failed ${tryNumber} times`;
    logger.warn(`${nameOf(task)} given up: ${reason}`);
    try {
      await handler?.gaveUp(data, reason);
      return 'over';
    } catch (failure) {
      const next = nextTry(task, failure);
      return hasTriesLeft ? next : 'over';
    }
  }
}

/** Logs an unexpected error, which is the only trace of it: it may contain secrets, so no queue stores it. */
function nextTry(task: Task, error: unknown): NextTry {
  const isExpected = error instanceof TryAgain;
  if (!isExpected)
    logger.error(`${nameOf(task)} failed`, error instanceof Error ? error.stack : String(error));
  const data = isExpected ? error.data : undefined;
  return { afterMs: backOffMs(task.tryNumber, error), ...(data && { data }) };
}

/** Names a task in logs by the beginning of its id, because a whole id may give access to a verification. */
function nameOf({ name, id }: Task): string {
  return `${name} ${id.slice(0, 6)}…`;
}
