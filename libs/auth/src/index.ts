export { AccountService } from './account.service.js';
export {
  type AccountExport,
  type ExportedSession,
  type ExportedUser,
  exportedUser,
} from './account-export.js';
export { AccountsModule } from './accounts.module.js';
export { type ApiClient, ApiClients } from './api-clients.js';
export {
  AcceptsClients,
  type Authenticate,
  AuthGuard,
  BearerOnDemand,
  ClientsOnly,
  CurrentBearer,
  CurrentClient,
  CurrentUser,
  OperatorsOnly,
  Public,
  SessionOnDemand,
  SessionOptional,
} from './auth.guard.js';
export { AuthModule } from './auth.module.js';
export { AuthService, type Session } from './auth.service.js';
export { AvatarService } from './avatar.service.js';
export { ClientVerificationsService, type VerifiedNumber } from './client-verifications.service.js';
export { checkClients, readClients } from './clients-file.js';
export type { CodeRequest } from './codes.service.js';
export {
  type ImportedAccount,
  type ImportedToken,
  ImportsRepository,
  LARGEST_LEGACY_ID,
} from './imports.repository.js';
export { NumberChangeService } from './number-change.service.js';
export { NumberLookupModule } from './number-lookup.module.js';
export { NumberLookupService } from './number-lookup.service.js';
export type { NumberReport, VerificationReport } from './number-report.js';
export { OperatorCredential } from './operator-credential.js';
export { type RefreshedSession, type SessionPage, SessionService } from './session.service.js';
export { SESSION_COOKIES, SessionCookieOptions, sessionCookieOptions } from './session-cookie.js';
export type { Bearer } from './sessions.repository.js';
export { SignUpService } from './sign-up.service.js';
