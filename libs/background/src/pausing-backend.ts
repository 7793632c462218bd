import { setTimeout as wait } from 'node:timers/promises';
import type { IQueueBackend } from 'bullmq';

/**
 * Makes the worker's loop pause after a failure. BullMQ pauses only after a lost connection: any other failure that
 * persists, such as a missing right or a full Redis, would make it try again without a pause and starve the process.
 * BullMQ stops a worker with `disconnectBlocking`, which ends the pause.
 */
export function pausingAfterFailures<Backend extends IQueueBackend>(
  backend: Backend,
  pauseMs: number,
): Backend {
  const { moveToActive, waitForJob, disconnectBlocking } = backend;
  const stopped = new AbortController();
  const orPause = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      await wait(pauseMs, undefined, { signal: stopped.signal }).catch(() => {});
      throw error;
    }
  };
  backend.moveToActive = (...args) => orPause(moveToActive.apply(backend, args));
  backend.waitForJob = (...args) => orPause(waitForJob.apply(backend, args));
  backend.disconnectBlocking = (...args) => {
    stopped.abort();
    return disconnectBlocking.apply(backend, args);
  };
  return backend;
}
