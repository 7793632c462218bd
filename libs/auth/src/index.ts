export { AuthGuard, CurrentUser, OperatorsOnly, Public, SessionOptional } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
export { NumberLookupModule } from './number-lookup.module.js';
export { NumberLookupService } from './number-lookup.service.js';
export type { NumberReport, VerificationReport } from './number-report.js';
export { OperatorCredential } from './operator-credential.js';
export { SessionService } from './session.service.js';
export { SignUpService } from './sign-up.service.js';
