export { abuseMetrics, type Block, DEVICE_TOKEN_TTL_MS, type Requester, Sends } from '#abuse';
export {
  type Delivery,
  isVerificationId,
  type Verification,
  type VerificationId,
  VerificationWatch,
} from '#otp';
export type { User } from '#users';
export { AuthGuard, CurrentUser, OperatorsOnly, Public } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
export { Deliveries } from './deliveries.service.js';
