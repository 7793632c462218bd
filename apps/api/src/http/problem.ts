import { HttpException } from '@nestjs/common';
import { AppError, type Extensions, PROBLEMS, type ProblemCode } from '#errors';

export const PROBLEM_JSON = 'application/problem+json';

/** One occurrence of a problem from the problem table. */
export interface Problem {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly extensions?: Extensions;
  readonly retryAfterSeconds?: number;
}

const UNAVAILABLE_RETRY_SECONDS = 2;

/** Returns the problem for a thrown value. Unexpected errors are `internal_error`. */
export function problemOf(error: unknown): Problem {
  if (error instanceof AppError) {
    const { code, message: detail, extensions, retryAfterSeconds } = error;
    return { code, detail, extensions, retryAfterSeconds };
  }
  if (error instanceof HttpException) return problemOfStatus(error.getStatus(), error);
  return problemOfStatus((error as { statusCode?: number } | null)?.statusCode ?? 500);
}

/** Errors of Nest and Fastify have a status code. */
function problemOfStatus(status: number, error?: HttpException): Problem {
  switch (status) {
    case 400:
    case 414:
      return { code: 'invalid_request', detail: 'the request is malformed', extensions: { errors: [] } };
    case 404:
      return { code: 'not_found', detail: 'no such route' };
    case 405:
      return {
        code: 'method_not_allowed',
        detail: 'the Allow header lists the methods of this route',
      };
    case 408:
      return { code: 'request_timeout', detail: 'the request did not arrive in time' };
    case 413:
      return { code: 'payload_too_large', detail: 'the body is larger than 16 KiB' };
    case 415:
      return {
        code: 'unsupported_media_type',
        detail: 'send application/json in UTF-8, or an image to a route that takes one',
      };
    case 431:
      return { code: 'headers_too_large', detail: 'the request line and headers are larger than 16 KiB' };
    case 503:
      return {
        code: 'unavailable',
        detail: 'the server cannot answer now; try again shortly',
        extensions: dependenciesOf(error),
        retryAfterSeconds: UNAVAILABLE_RETRY_SECONDS,
      };
    default:
      if (status >= 400 && status < 500) return problemOfStatus(400);
      return {
        code: 'internal_error',
        detail: 'unexpected error; quote the request id to the operator',
      };
  }
}

/** A failed readiness check reports the state of each dependency. */
function dependenciesOf(error?: HttpException): Extensions {
  const body = error?.getResponse();
  return typeof body === 'object' && 'details' in body ? { dependencies: body.details } : {};
}

/** Where a problem occurred. */
export interface Place {
  readonly publicUrl: string;
  readonly requestId: string;
  /** The member `error`, for clients of the Go server; null: there is none. */
  readonly goError: string | null;
}

/** The body of RFC 9457, section 3. */
export function problemBody(
  { code, detail, extensions }: Problem,
  { publicUrl, requestId, goError }: Place,
): object {
  const { status, title } = PROBLEMS[code];
  const type = `${publicUrl}/problems/${code}`;
  const added = goError === null ? {} : { error: goError };
  return { type, title, status, detail, instance: requestId, code, ...extensions, ...added };
}

/** The headers that go with a problem. */
export function problemHeaders({ code, retryAfterSeconds }: Problem): Record<string, string> {
  return {
    'content-type': PROBLEM_JSON,
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer realm="latchkey"' }),
    ...(code === 'invalid_client' && { 'www-authenticate': 'Basic realm="latchkey", charset="UTF-8"' }),
    ...(code === 'insufficient_scope' && {
      'www-authenticate': 'Bearer realm="latchkey", error="insufficient_scope", scope="authentication"',
    }),
    ...(code === 'invalid_token' && { 'www-authenticate': 'Bearer realm="latchkey", error="invalid_token"' }),
  };
}
