export {
  AppError,
  CodeRejected,
  type Extensions,
  type Fault,
  InvalidRequest,
  InvalidSignature,
  InvalidToken,
  MisdirectedRequest,
  NotFound,
  PhoneNumberNotAllowed,
  ProofOfWorkRequired,
  RateLimited,
  SendsSuspended,
  Unauthenticated,
  Unavailable,
  VerificationClosed,
} from './app-error.js';
export { PROBLEMS, type ProblemCode } from './problems.js';
