import type { ProblemCode } from './problems.js';

/** Extension members of a problem (RFC 9457, section 3.2). */
export type Extensions = Readonly<Record<string, unknown>>;

/** A fault in a request body: its JSON Pointer (RFC 6901) and the rule it breaks, never the value. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** An error that ends a request. The client sees its `code`. */
export abstract class AppError extends Error {
  abstract readonly code: ProblemCode;
  /** Sent to the client in addition to the standard members. */
  readonly extensions: Extensions = {};
  /** Becomes the `Retry-After` header. */
  readonly retryAfterSeconds?: number;

  /** Without a stack, because these errors are expected, and a stack takes a twentieth of the time of a refusal. */
  constructor(message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

export class InvalidRequest extends AppError {
  readonly code = 'invalid_request';
  override readonly extensions: Extensions;

  constructor(detail: string, errors: readonly Fault[] = []) {
    super(detail);
    this.extensions = { errors };
  }
}

/** The body cannot be read as a JSON object. */
export class MalformedBody extends InvalidRequest {}

export class Unauthenticated extends AppError {
  readonly code = 'unauthenticated';

  constructor() {
    super('send a bearer token in the Authorization header');
  }
}

export class InvalidToken extends AppError {
  readonly code = 'invalid_token';

  constructor() {
    super('the token is malformed, unknown, expired or revoked');
  }
}

export class InvalidClient extends AppError {
  readonly code = 'invalid_client';

  constructor(detail = 'send the id and the secret of a client by HTTP Basic') {
    super(detail);
  }
}

export class InsufficientScope extends AppError {
  readonly code = 'insufficient_scope';

  constructor() {
    super('the token has another scope than `authentication`');
  }
}

export class CodeRejected extends AppError {
  readonly code = 'code_rejected';
  override readonly extensions: Extensions;

  /** @param attemptsLeft omitted for clients that do not hold the verification's id. */
  constructor(attemptsLeft?: number) {
    super('the code is wrong, expired or already used');
    this.extensions = attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft };
  }
}

export class ImageRejected extends AppError {
  readonly code = 'image_rejected';

  constructor(reason: string) {
    super(`the image cannot be used: ${reason}`);
  }
}

export class ImageTooLarge extends AppError {
  readonly code = 'payload_too_large';

  constructor() {
    super('the image is larger than 5 MiB');
  }
}

export class NumberRecycled extends AppError {
  readonly code = 'number_recycled';

  constructor() {
    super('the account of this number was not used for too long');
  }
}

export class NotFound extends AppError {
  readonly code = 'not_found';

  constructor(what: string) {
    super(`no such ${what}`);
  }
}

export class VersionConflict extends AppError {
  readonly code = 'version_conflict';

  constructor() {
    super('the user has changed since; read it again');
  }
}

export class VerificationClosed extends AppError {
  readonly code = 'verification_closed';
  override readonly extensions: Extensions;

  constructor(status: string) {
    super('the verification accepts no more codes');
    this.extensions = { verification_status: status };
  }
}

export class RateLimited extends AppError {
  readonly code = 'rate_limited';
  override readonly extensions: Extensions;

  /** @param limit the name of the limit, as in the documentation. */
  constructor(
    readonly limit: string,
    override readonly retryAfterSeconds: number,
  ) {
    super(`try again in ${retryAfterSeconds} s`);
    this.extensions = { limit, retry_after: retryAfterSeconds };
  }
}

export class ProofOfWorkRequired extends AppError {
  readonly code = 'proof_of_work_required';
  override readonly extensions: Extensions;

  /** @param challenge an ALTCHA challenge. */
  constructor(challenge: object) {
    super('solve the challenge and send the solution as `altcha`');
    this.extensions = { challenge };
  }
}

export class RecentSignInRequired extends AppError {
  readonly code = 'recent_sign_in_required';

  constructor() {
    super('sign in again, and repeat the request within ten minutes');
  }
}

export class CrossSiteRequest extends AppError {
  readonly code = 'cross_site_request';

  constructor() {
    super('a request with the session cookie must come from a page of this site');
  }
}

export class InvalidSignature extends AppError {
  readonly code = 'invalid_signature';

  constructor() {
    super('the report has no signature, or the signature does not match its URL and content');
  }
}

export class MisdirectedRequest extends AppError {
  readonly code = 'misdirected_request';

  constructor() {
    super('the Host header names another server');
  }
}

export class PhoneNumberNotAllowed extends AppError {
  readonly code = 'phone_number_not_allowed';

  constructor() {
    super('messages to this country or type of line are not supported');
  }
}

export class SendsSuspended extends AppError {
  readonly code = 'sends_suspended';
  override readonly extensions: Extensions;

  constructor(override readonly retryAfterSeconds: number) {
    super(`try again in ${retryAfterSeconds} s`);
    this.extensions = { retry_after: retryAfterSeconds };
  }
}

/** A dependency of this process did not respond. The cause goes to the log, never to the client. */
export class Unavailable extends AppError {
  readonly code = 'unavailable';
  override readonly retryAfterSeconds = 2;

  constructor(
    readonly dependency: string,
    options?: ErrorOptions,
  ) {
    super('a dependency of this server does not respond; try again shortly', options);
    // Background tasks log it.
    Error.captureStackTrace(this, Unavailable);
  }
}

/** A store has undone a statement because of others: a deadlock, or too long a wait for a lock. Repeating it is safe. */
export class RolledBack extends Unavailable {}
