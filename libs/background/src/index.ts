export { BackgroundModule } from './background.module.js';
export { BackgroundOptions, BackgroundService, type TaskHandler } from './background.service.js';
export { GiveUp, TryAgain } from './retries.js';
export { migrateTaskQueue, PostgresTaskQueue } from './task-queue.postgres.js';
export { RedisTaskQueue } from './task-queue.redis.js';
