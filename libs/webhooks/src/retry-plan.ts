/** The receiver's answer, or why there was none. */
export type WebhookAnswer =
  | { readonly status: number; readonly retryAfterMs?: number }
  | { readonly failure: string };

/** The end of one try. `gone`: the receiver wants this event no more. `given_up`: this was the last try. */
export type TryResult = 'delivered' | 'gone' | 'given_up' | { readonly waitMs: number };

/** Waits differ by up to this share, so that events that failed together are not all tried together. */
const JITTER = 0.1;

/** The longest wait that a receiver may ask for. */
const LONGEST_RETRY_AFTER_MS = 12 * 3_600_000;

/** Room for tries that waited for others. */
const EXTRA_LIFE_MS = 3_600_000;

/**
 * Decides what follows one try.
 *
 * @param failedBefore the number of tries that failed before this one.
 * @param random a number from 0 to 1.
 */
export function resultOf(
  answer: WebhookAnswer,
  failedBefore: number,
  waitsMs: readonly number[],
  random = Math.random(),
): TryResult {
  if ('status' in answer && answer.status >= 200 && answer.status < 300) return 'delivered';
  if ('status' in answer && answer.status === 410) return 'gone';
  const planned = waitsMs[failedBefore];
  if (planned === undefined) return 'given_up';
  const jittered = planned * (1 + JITTER * (2 * random - 1));
  const requested = 'status' in answer ? (answer.retryAfterMs ?? 0) : 0;
  return { waitMs: Math.round(Math.max(jittered, Math.min(requested, LONGEST_RETRY_AFTER_MS))) };
}

/** Returns a short word for a try that failed: the status, or why there was no answer. */
export function codeOf(answer: WebhookAnswer): string {
  return 'status' in answer ? `http_${answer.status}` : answer.failure;
}

/** Returns the time after which an event is given up, whatever happened to its tries. */
export function lifeOf(waitsMs: readonly number[]): number {
  return waitsMs.reduce((sum, waitMs) => sum + waitMs, 0) * (1 + JITTER) + EXTRA_LIFE_MS;
}
