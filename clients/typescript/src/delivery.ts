import { pause } from './answers.js';
import type { components } from './api.js';
import { LatchkeyError } from './latchkey-error.js';

type Verification = components['schemas']['Verification'];

/** The server asks for this pause after an answer without news. */
const PAUSE_MS = 1_000;
const MOST_FAILURES = 5;
const LONGEST_PAUSE_MS = 10_000;

const FINAL_DELIVERIES = ['delivered', 'undelivered', 'failed'];

/** Returns true if nothing more will happen to the verification's message. */
export function isFinal({ status, delivery }: Verification): boolean {
  return status !== 'pending' || FINAL_DELIVERIES.includes(delivery.status);
}

/**
 * Yields a state and those that follow it, up to the final one. Waiting goes on through short outages.
 *
 * @param next waits for another state. Returns null if there was none in time.
 */
export async function* deliveryChanges(
  first: Verification,
  next: (known: Verification) => Promise<Verification | null>,
  signal?: AbortSignal,
): AsyncGenerator<Verification, void, undefined> {
  let known = first;
  let failures = 0;
  yield known;
  while (!isFinal(known)) {
    try {
      const state = await next(known);
      failures = 0;
      if (state === null) {
        await pause(PAUSE_MS, signal);
        continue;
      }
      known = state;
    } catch (error) {
      failures += 1;
      if (!isTemporary(error) || failures === MOST_FAILURES) throw error;
      await pause(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), signal);
      continue;
    }
    yield known;
  }
}

function isTemporary(error: unknown): boolean {
  return error instanceof LatchkeyError && (error.code === 'no_answer' || error.status >= 500);
}
