export { AuthGuard, CurrentUser, OperatorsOnly, Public } from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
export { OperatorCredential } from './operator-credential.js';
export { SessionService } from './session.service.js';
