export { APPROVABLE, approvalOf } from './approval.postgres.js';
export { type AdmittedGuess, attemptsLeft, type ProvenVerification } from './attempts.js';
export { CODE_LENGTHS, sampleCode } from './code.js';
export type { Delivery, DeliveryChange, DeliveryStatus } from './delivery.js';
export { OtpModule } from './otp.module.js';
export { TestNumbers } from './test-numbers.js';
export {
  chargeOf,
  isVerificationId,
  type Purpose,
  referenceOf,
  type SignUpClient,
  type Verification,
  type VerificationId,
  type VerificationStatus,
} from './verification.js';
export { OtpPolicy, VerificationService } from './verification.service.js';
export { VERIFICATION_COLUMNS, type VerificationRow } from './verification-columns.js';
export { type ClientAttempts, MessageTask, type NewClient, VerificationStore } from './verification-store.js';
export { PostgresVerificationStore } from './verification-store.postgres.js';
export { RedisVerificationStore } from './verification-store.redis.js';
export { VerificationWatch } from './verification-watch.js';
