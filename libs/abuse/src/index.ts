export { AbuseModule } from './abuse.module.js';
export { PostgresLimiterStore } from './limiter-store.postgres.js';
export { RedisLimiterStore } from './limiter-store.redis.js';
export { Limits } from './limits.js';
