export { OtpModule } from './otp.module.js';
export {
  type DeliveryStatus,
  isVerificationId,
  type Purpose,
  type Verification,
  type VerificationId,
  type VerificationStatus,
} from './verification.js';
export { VerificationService } from './verification.service.js';
export { PostgresVerificationStore } from './verification-store.postgres.js';
export { RedisVerificationStore } from './verification-store.redis.js';
