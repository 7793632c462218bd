export { asking, connectRedis, patientOptions, quickOptions } from './connection.redis.js';
export { RedisModule, RedisOptions } from './redis.module.js';
export { RedisPing } from './redis-ping.js';
export { defineScripts, type ScriptArgument } from './scripts.redis.js';
