import type { Expected } from './expected.js';
import { errorOf, LatchkeyError, unexpectedAnswer } from './latchkey-error.js';

/** A result of openapi-fetch. */
interface Result<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/** A successful answer. */
export interface Answer<Data> {
  readonly data: Data;
  readonly response: Response;
}

const REPEAT_AFTER_MS = 300;

/**
 * Sends a request, and once more if its answer was lost. The request must be safe to repeat: it reads, or it has an
 * `Idempotency-Key`, or the server accepts it twice.
 *
 * @throws LatchkeyError for anything but a success with the expected body.
 */
export async function answerTo<Data>(
  send: () => Promise<Result<Data>>,
  isExpected: Expected,
  signal?: AbortSignal,
): Promise<Answer<Data>> {
  const { data, error, response } = await send().catch(async (error) => {
    if (error instanceof LatchkeyError) throw error;
    // Rejects when aborted: then the failure is no lost answer.
    await pause(REPEAT_AFTER_MS, signal);
    return send().catch((cause) => {
      signal?.throwIfAborted();
      if (cause instanceof LatchkeyError) throw cause;
      throw new LatchkeyError({ code: 'no_answer', detail: 'the server did not answer', cause });
    });
  });
  if (!response.ok) throw errorOf(response, error);
  if (!isExpected(data))
    throw unexpectedAnswer(
      response,
      `HTTP status ${response.status} without the members of a Latchkey answer`,
    );
  return { data: data as Data, response };
}

/** Waits, unless the signal is aborted: then it rejects with the reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
