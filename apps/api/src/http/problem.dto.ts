import { ApiSchema } from '@nestjs/swagger';
import type { ProblemCode } from '#errors';

@ApiSchema({ description: 'One fault of a request body.' })
export class FaultDto {
  /**
   * JSON Pointer to the faulty member of the body (RFC 6901).
   * @example "/phone_number"
   */
  pointer: string;

  /**
   * The rule that the member breaks.
   * @example "must be an international phone number, such as +14155550100"
   */
  detail: string;
}

@ApiSchema({
  description: 'A problem document (RFC 9457) with a stable `code`. The optional members depend on the code.',
})
export class ProblemDto {
  /**
   * URL of a short explanation.
   * @example "http://localhost:4000/problems/rate_limited"
   */
  type: string;

  /**
   * Short text that is the same for every occurrence of the code.
   * @example "Too many requests"
   */
  title: string;

  /**
   * The HTTP status of the response.
   * @example 429
   */
  status: number;

  /**
   * Explanation of this occurrence.
   * @example "try again in 27 s"
   */
  detail: string;

  /**
   * The request id. The operator finds the cause in the logs by it.
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  instance: string;

  /**
   * Stable name of the problem.
   * @example "rate_limited"
   */
  code: ProblemCode;

  /** With `invalid_request`: the faults of the body. */
  errors?: FaultDto[];

  /**
   * With `code_rejected` on `/v1` routes: remaining attempts of the verification. Fewer while the number is under attack.
   * @example 4
   */
  attempts_left?: number;

  /**
   * With `verification_closed`: the reason.
   * @example "expired"
   */
  verification_status?: 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /**
   * With `rate_limited`: name of the limit.
   * @example "cool_down"
   */
  limit?: string;

  /**
   * With `rate_limited` and `sends_suspended`: seconds to wait before a retry.
   * @example 27
   */
  retry_after?: number;

  /** With `proof_of_work_required`: the challenge to solve (ALTCHA, version 2). */
  challenge?: Record<string, unknown>;

  /** With `unavailable` at `/health/ready`: the state of each dependency by name. */
  dependencies?: Record<string, unknown>;

  /**
   * At `/signup` and `/protected`, for clients of the Go server: its own text, or the title again.
   * @example "Invalid or expired OTP"
   */
  error?: string;
}
