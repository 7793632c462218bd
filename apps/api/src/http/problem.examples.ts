import {
  CodeRejected,
  InvalidRequest,
  InvalidToken,
  NotFound,
  type ProblemCode,
  RateLimited,
  Unauthenticated,
  Unavailable,
  VerificationClosed,
} from '#errors';
import { problemBody, problemOf } from './problem.js';

const REQUEST_ID = '0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e';
const FAULT = {
  pointer: '/phone_number',
  detail: 'must be an international phone number, such as +14155550100',
};

/** What is thrown when it happens, so that the examples cannot differ from the answers. */
const THROWN: Record<ProblemCode, (path: string) => unknown> = {
  invalid_request: () => new InvalidRequest('the phone number is not valid', [FAULT]),
  unauthenticated: () => new Unauthenticated(),
  invalid_token: () => new InvalidToken(),
  code_rejected: (path) => new CodeRejected(path === '/signup' ? undefined : 4),
  not_found: () => new NotFound('verification'),
  method_not_allowed: () => ({ statusCode: 405 }),
  request_timeout: () => ({ statusCode: 408 }),
  verification_closed: () => new VerificationClosed('expired'),
  payload_too_large: () => ({ statusCode: 413 }),
  unsupported_media_type: () => ({ statusCode: 415 }),
  rate_limited: () => new RateLimited('cool_down', 27),
  headers_too_large: () => ({ statusCode: 431 }),
  internal_error: () => ({ statusCode: 500 }),
  unavailable: () => new Unavailable('example'),
};

/** The problem as a client would get it at this path. */
export function problemExample(code: ProblemCode, place: { publicUrl: string; path: string }): object {
  return problemBody(problemOf(THROWN[code](place.path)), { ...place, requestId: REQUEST_ID });
}
