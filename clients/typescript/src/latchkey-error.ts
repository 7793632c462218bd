import type { components } from './api.js';

/** A problem document of the server (RFC 9457). */
export type Problem = components['schemas']['Problem'];

/**
 * The server's codes, and two of the client:
 *
 * - `no_answer`: the server could not be reached, or its answer was lost
 * - `unexpected_answer`: an answer that is not from Latchkey, such as a page or a redirect of a proxy
 */
export type ErrorCode = Problem['code'] | 'no_answer' | 'unexpected_answer';

/** An answer that is not a success, or no answer. */
export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError';
  /** Stable name of the problem. Switch on it rather than on texts. */
  readonly code: ErrorCode;
  /** HTTP status; 0 without an answer, and for a redirect, which browsers hide. */
  readonly status: number;
  /** Explanation of this occurrence, in English, for developers. */
  readonly detail: string;
  /** Seconds to wait before a retry, if the server states them. */
  readonly retryAfter: number | null;
  /** The whole problem document, with members such as `attempts_left`. */
  readonly problem: Problem | null;

  constructor(failure: Failure) {
    super(`${failure.code}: ${failure.detail}`, { cause: failure.cause });
    this.code = failure.code;
    this.status = failure.status ?? 0;
    this.detail = failure.detail;
    this.retryAfter = failure.retryAfter ?? null;
    this.problem = failure.problem ?? null;
  }
}

interface Failure {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly status?: number;
  readonly retryAfter?: number | null;
  readonly problem?: Problem;
  readonly cause?: unknown;
}

/** @param body the body of the response: parsed JSON, or text. */
export function errorOf(response: Response, body: unknown): LatchkeyError {
  const { status, headers } = response;
  if (isRedirect(response))
    return unexpectedAnswer(
      response,
      'a redirect, which Latchkey never sends: is the URL of the server right?',
    );
  if (!isProblem(body)) return unexpectedAnswer(response, `HTTP status ${status} without a problem document`);
  const { code, detail } = body;
  return new LatchkeyError({
    ...{ code, status, detail, problem: body },
    retryAfter: body.retry_after ?? secondsOf(headers.get('Retry-After')),
  });
}

/** Returns the error for an answer that is not from Latchkey. */
export function unexpectedAnswer({ status, headers }: Response, detail: string): LatchkeyError {
  const retryAfter = secondsOf(headers.get('Retry-After'));
  return new LatchkeyError({ code: 'unexpected_answer', status, detail, retryAfter });
}

/** Browsers hide the status of a redirect that is not followed. */
function isRedirect({ status, type }: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400);
}

function isProblem(body: unknown): body is Problem {
  const { code, detail } = (body ?? {}) as Partial<Problem>;
  return typeof code === 'string' && typeof detail === 'string';
}

/** Reads `Retry-After`. Latchkey sends seconds; proxies may send dates, which are ignored. */
function secondsOf(header: string | null): number | null {
  return header !== null && /^\d+$/.test(header) ? Number(header) : null;
}
