import type { ProblemCode } from '#errors';

/** One fault of a body. */
export class FaultDto {
  /**
   * Where it is: a JSON Pointer into the body (RFC 6901).
   * @example "/phone_number"
   */
  pointer: string;

  /** @example "must be an international phone number, such as +14155550100" */
  detail: string;
}

/** RFC 9457: what went wrong, under a stable `code`. The members that are not required depend on the code. */
export class ProblemDto {
  /**
   * The address of a short explanation.
   * @example "http://localhost:4000/problems/rate_limited"
   */
  type: string;

  /** @example "Too many requests" */
  title: string;

  /** @example 429 */
  status: number;

  /**
   * About this occurrence.
   * @example "try again in 27 s"
   */
  detail: string;

  /**
   * The request id, under which the operator finds the cause in the logs.
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  instance: string;

  /** @example "rate_limited" */
  code: ProblemCode;

  /** With `invalid_request`: each fault of the body. */
  errors?: FaultDto[];

  /**
   * With `code_rejected` on `/v1` routes: how many tries the verification still has; fewer while the number is being guessed at.
   * @example 4
   */
  attempts_left?: number;

  /**
   * With `verification_closed`: why.
   * @example "expired"
   */
  verification_status?: 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /**
   * With `rate_limited`: the name of the limit.
   * @example "cool_down"
   */
  limit?: string;

  /**
   * With `rate_limited` and `sends_suspended`: seconds until another try makes sense.
   * @example 27
   */
  retry_after?: number;

  /** With `proof_of_work_required`: what to solve (ALTCHA, version 2). */
  challenge?: Record<string, unknown>;

  /** With `unavailable` at `/health/ready`: each dependency by name. */
  dependencies?: Record<string, unknown>;

  /** At `/signup`, for its older clients: the title once more. */
  error?: string;
}
