/** RFC 9457: what went wrong, under a stable `code`. Further members depend on the code. */
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
  code: string;
}
