export { abuseMetrics, type Block, DEVICE_TOKEN_TTL_MS, type Requester, Sends } from '#abuse';
export { isVerificationId, type Verification, type VerificationId } from '#otp';
export type { User } from '#users';
export { AuthGuard, CurrentUser, OperatorsOnly, Public } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
