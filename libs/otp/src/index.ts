export type { Delivery, DeliveryStatus, Remedy } from './delivery.js';
export { OtpModule } from './otp.module.js';
export { TestNumbers } from './test-numbers.js';
export {
  isVerificationId,
  type Purpose,
  type Verification,
  type VerificationId,
  type VerificationStatus,
} from './verification.js';
export { type Change, VerificationService } from './verification.service.js';
export { PostgresVerificationStore } from './verification-store.postgres.js';
export { RedisVerificationStore } from './verification-store.redis.js';
export { VerificationWatch } from './verification-watch.js';
