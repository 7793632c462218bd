/** How often a task is tried unless it says otherwise, the first time included. */
export const TRIES = 5;

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const JITTER = 0.2;

/** The task should be tried later. The message is kept in the queue: it may not hold secrets or phone numbers. */
export class TryAgain extends Error {
  /** No sooner than this. */
  readonly afterMs: number;
  /** What the next try is given instead of the task's data. */
  readonly data?: object;

  constructor(reason: string, { afterMs = 0, data }: { afterMs?: number; data?: object } = {}) {
    super(reason);
    this.afterMs = afterMs;
    this.data = data;
  }
}

/** The task will never work. The message is kept in logs: it may not hold secrets or phone numbers. */
export class GiveUp extends Error {}

/**
 * Exponential back-off with jitter, so that what failed together does not come back together.
 *
 * @param triesMade one after the first.
 * @param random a number from 0 to 1.
 */
export function backOffMs(triesMade: number, error?: Error, random = Math.random()): number {
  const exponential = Math.min(FIRST_WAIT_MS * 2 ** (triesMade - 1), LONGEST_WAIT_MS);
  const jittered = exponential * (1 + JITTER * (2 * random - 1));
  return Math.round(Math.max(jittered, error instanceof TryAgain ? error.afterMs : 0));
}
