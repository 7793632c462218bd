export {
  AppError,
  CodeRejected,
  type Extensions,
  type Fault,
  InvalidRequest,
  InvalidToken,
  NotFound,
  RateLimited,
  Unauthenticated,
  Unavailable,
  VerificationClosed,
} from './app-error.js';
export { PROBLEMS, type ProblemCode } from './problems.js';
