import { setTimeout as wait } from 'node:timers/promises';
import type { IQueueBackend } from 'bullmq';

/**
 * Makes the worker's loop pause after a failure. BullMQ pauses only after a lost connection: any other failure that
 * persists, such as a missing right or a full Redis, would make it try again without a pause and starve the process.
 */
export function pausingAfterFailures<Backend extends IQueueBackend>(
  backend: Backend,
  pauseMs: number,
): Backend {
  const { moveToActive, waitForJob } = backend;
  backend.moveToActive = (...args) => orPause(moveToActive.apply(backend, args), pauseMs);
  backend.waitForJob = (...args) => orPause(waitForJob.apply(backend, args), pauseMs);
  return backend;
}

async function orPause<T>(answer: Promise<T>, pauseMs: number): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    await wait(pauseMs);
    throw error;
  }
}
