export { asking, connectRedis, patientOptions, quickOptions } from './connection.redis.js';
export { RedisModule } from './redis.module.js';
export { RedisHealth } from './redis-health.js';
export { RedisOptions } from './redis-options.js';
export { REQUIRED_COMMANDS } from './required-commands.js';
export { defineScripts, type ScriptArgument } from './scripts.redis.js';
export { findServerFault } from './server-check.redis.js';
