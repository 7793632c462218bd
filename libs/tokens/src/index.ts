export { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';
export { NoTokenCache, TokenCache } from './token-cache.js';
export { RedisTokenCache } from './token-cache.redis.js';
export { TokensModule } from './tokens.module.js';
export { TokenPolicy, TokensRepository } from './tokens.repository.js';
