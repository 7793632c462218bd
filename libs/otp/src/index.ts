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
export { type AdmittedGuess, attemptsLeft, OtpPolicy, VerificationService } from './verification.service.js';
export { type ClientAttempts, MessageTask, type NewClient, VerificationStore } from './verification-store.js';
export { PostgresVerificationStore } from './verification-store.postgres.js';
export { RedisVerificationStore } from './verification-store.redis.js';
export { VerificationWatch } from './verification-watch.js';
