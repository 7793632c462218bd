export { isVerificationId, type Verification, type VerificationId } from '#otp';
export type { User } from '#users';
export { AuthGuard, CurrentUser, Public } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
