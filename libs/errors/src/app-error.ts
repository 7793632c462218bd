import type { ProblemCode } from './problems.js';

/** A member that a problem carries beyond those of RFC 9457, section 3.1. */
export type Extensions = Readonly<Record<string, unknown>>;

/** One fault of a request body: where it is (RFC 6901) and which rule it breaks; never the value itself. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** What the caller cannot continue from, under the name a client will see. */
export abstract class AppError extends Error {
  abstract readonly code: ProblemCode;
  /** Sent to the client beside the standard members. */
  readonly extensions: Extensions = {};
  /** Seconds after which another try makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;

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

export class Unauthenticated extends AppError {
  readonly code = 'unauthenticated';

  constructor() {
    super('send a bearer token in the Authorization header');
  }
}

export class InvalidToken extends AppError {
  readonly code = 'invalid_token';

  constructor() {
    super('the bearer token is malformed, unknown, expired or revoked');
  }
}

export class CodeRejected extends AppError {
  readonly code = 'code_rejected';
  override readonly extensions: Extensions;

  /** @param attemptsLeft told only to whoever holds the verification's id. */
  constructor(attemptsLeft?: number) {
    super('the code does not match, or there is no code to match any more');
    this.extensions = attemptsLeft === undefined ? {} : { attempts_left: attemptsLeft };
  }
}

export class NotFound extends AppError {
  readonly code = 'not_found';

  constructor(what: string) {
    super(`no such ${what}`);
  }
}

export class VerificationClosed extends AppError {
  readonly code = 'verification_closed';
  override readonly extensions: Extensions;

  constructor(status: string) {
    super('the verification takes no more codes');
    this.extensions = { verification_status: status };
  }
}

export class RateLimited extends AppError {
  readonly code = 'rate_limited';
  override readonly extensions: Extensions;

  /** @param limit the policy's name, as in the documentation. */
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

export class InvalidSignature extends AppError {
  readonly code = 'invalid_signature';

  constructor() {
    super('the report is not signed, or not for this address and content');
  }
}

export class PhoneNumberNotAllowed extends AppError {
  readonly code = 'phone_number_not_allowed';

  constructor() {
    super('no messages are sent to this country or kind of line');
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

/** Something this process depends on did not answer. The cause is for the log, never for the client. */
export class Unavailable extends AppError {
  readonly code = 'unavailable';
  override readonly retryAfterSeconds = 2;

  constructor(
    readonly dependency: string,
    options?: ErrorOptions,
  ) {
    super('a dependency of this server does not answer; try again shortly', options);
  }
}
