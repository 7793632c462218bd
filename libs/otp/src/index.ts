export { CODE_LENGTHS, sampleCode } from './code.js';
export type { Delivery, DeliveryChange, DeliveryStatus } from './delivery.js';
export { OtpModule } from './otp.module.js';
export { TestNumbers } from './test-numbers.js';
export {
  isVerificationId,
  type Purpose,
  type Verification,
  type VerificationId,
  type VerificationStatus,
} from './verification.js';
export { type AdmittedGuess, OtpPolicy, VerificationService } from './verification.service.js';
export { VerificationStore } from './verification-store.js';
export { PostgresVerificationStore } from './verification-store.postgres.js';
export { RedisVerificationStore } from './verification-store.redis.js';
export { VerificationWatch } from './verification-watch.js';
