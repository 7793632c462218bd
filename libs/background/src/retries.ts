/** The default number of tries of a task, the first one included. */
export const TRIES = 5;

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const JITTER = 0.2;

/** Asks for another try. The queue stores the message, so it must not contain secrets or phone numbers. */
export class TryAgain extends Error {
  /** The shortest wait before the next try. */
  readonly afterMs: number;
  /** Replaces the task's data for the next try. */
  readonly data?: object;

  constructor(reason: string, { afterMs = 0, data }: { afterMs?: number; data?: object } = {}) {
    super(reason);
    this.afterMs = afterMs;
    this.data = data;
  }
}

/** Ends the task without another try. The message is logged, so it must not contain secrets or phone numbers. */
export class GiveUp extends Error {}

/**
 * Returns the wait before the next try: exponential back-off, with jitter so that tasks that failed together do not
 * all retry together.
 *
 * @param triesMade 1 after the first try.
 * @param random a number from 0 to 1.
 */
export function backOffMs(triesMade: number, error?: unknown, random = Math.random()): number {
  const exponential = Math.min(FIRST_WAIT_MS * 2 ** (triesMade - 1), LONGEST_WAIT_MS);
  const jittered = exponential * (1 + JITTER * (2 * random - 1));
  return Math.round(Math.max(jittered, error instanceof TryAgain ? error.afterMs : 0));
}
