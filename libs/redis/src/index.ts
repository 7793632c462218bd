export { asking, connectRedis, patientOptions, quickOptions } from './connection.redis.js';
export { RedisModule } from './redis.module.js';
export { RedisPing } from './redis-ping.js';
