export { ActiveSessionsRepository } from './active-sessions.repository.js';
export { RefreshTokens } from './refresh-token.js';
export { type RefreshedTokens, RefreshTokensRepository } from './refresh-tokens.repository.js';
export {
  type ActiveSession,
  type EndReason,
  type RecordedSession,
  type SessionClient,
  storedUserAgent,
} from './session.js';
export { SessionEvents } from './session-events.js';
export { sessionLabel } from './session-label.js';
export { SessionPolicy } from './session-policy.js';
export { SessionUsesService } from './session-uses.service.js';
export { type SignedToken, type SignedTokenClaims, SignedTokensService } from './signed-tokens.service.js';
export { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';
export { NoTokenCache, TokenCache } from './token-cache.js';
export { RedisTokenCache } from './token-cache.redis.js';
export { TokensModule } from './tokens.module.js';
export { type Introspection, TokensRepository } from './tokens.repository.js';
