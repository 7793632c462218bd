import {
  CodeRejected,
  CrossSiteRequest,
  ImageRejected,
  InsufficientScope,
  InvalidClient,
  InvalidRequest,
  InvalidSignature,
  InvalidToken,
  MisdirectedRequest,
  NotFound,
  NumberRecycled,
  PhoneNumberNotAllowed,
  PROBLEMS,
  type ProblemCode,
  ProofOfWorkRequired,
  RateLimited,
  RecentSignInRequired,
  SendsSuspended,
  Unauthenticated,
  Unavailable,
  VerificationClosed,
  VersionConflict,
} from '#errors';
import { goErrorOf } from '../sign-up/go-client.js';
import { problemBody, problemOf } from './problem.js';

/** The operation that a problem belongs to. */
export interface Place {
  readonly publicUrl: string;
  readonly path: string;
  readonly hasBody: boolean;
}

const REQUEST_ID = '0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e';
const FAULT = {
  pointer: '/phone_number',
  detail: 'must be an international phone number, such as +14155550100',
};

const CHALLENGE = {
  parameters: {
    algorithm: 'SHA-256',
    cost: 1,
    data: { number: 'c0VBqJX4yX8yvJ0f2p5m4Q' },
    expiresAt: 1_795_437_300,
    keyLength: 32,
    keyPrefix: '4f1b6d1c0f0b4a3f9a76c1f0e2d3b4a5',
    keySignature: '9d3c0f6e5a7b8c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495',
    nonce: '5b0c7d1e2f3a4b5c6d7e8f9001122334',
    salt: '0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  },
  signature: '1f2e3d4c5b6a79880716253443526170f1e2d3c4b5a697887061524334251607',
};

/** The errors that cause each problem. Examples are built from them, so they cannot differ from real answers. */
const THROWN: Record<ProblemCode, (place: Place) => unknown> = {
  invalid_request: ({ hasBody }) =>
    hasBody ? new InvalidRequest('the phone number is not valid', [FAULT]) : { statusCode: 400 },
  unauthenticated: () => new Unauthenticated(),
  invalid_token: () => new InvalidToken(),
  invalid_client: () => new InvalidClient(),
  code_rejected: ({ path }) => new CodeRejected(path === '/signup' ? undefined : 4),
  proof_of_work_required: () => new ProofOfWorkRequired(CHALLENGE),
  insufficient_scope: () => new InsufficientScope(),
  recent_sign_in_required: () => new RecentSignInRequired(),
  number_recycled: () => new NumberRecycled(),
  image_rejected: () => new ImageRejected('it is not a JPEG, PNG, WebP, AVIF or GIF image that can be read'),
  cross_site_request: () => new CrossSiteRequest(),
  invalid_signature: () => new InvalidSignature(),
  not_found: () => new NotFound('verification'),
  method_not_allowed: () => ({ statusCode: 405 }),
  request_timeout: () => ({ statusCode: 408 }),
  verification_closed: () => new VerificationClosed('expired'),
  version_conflict: () => new VersionConflict(),
  payload_too_large: () => ({ statusCode: 413 }),
  unsupported_media_type: () => ({ statusCode: 415 }),
  misdirected_request: () => new MisdirectedRequest(),
  phone_number_not_allowed: () => new PhoneNumberNotAllowed(),
  rate_limited: () => new RateLimited('cool_down', 27),
  sends_suspended: () => new SendsSuspended(600),
  headers_too_large: () => ({ statusCode: 431 }),
  internal_error: () => ({ statusCode: 500 }),
  unavailable: () => new Unavailable('example'),
};

/** Returns the problem document as a client would get it there. */
export function problemExample(code: ProblemCode, place: Place): object {
  const error = THROWN[code](place);
  const request = { url: place.path, body: place.hasBody ? { phone_number: '12' } : undefined };
  const goError = goErrorOf(error, PROBLEMS[code].title, request);
  return problemBody(problemOf(error), { publicUrl: place.publicUrl, requestId: REQUEST_ID, goError });
}
