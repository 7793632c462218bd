export { addTasks } from './add-tasks.js';
export { BackgroundModule } from './background.module.js';
export { BackgroundOptions, BackgroundService } from './background.service.js';
export { openRedisTaskQueue } from './open-task-queue.js';
export { GiveUp, TryAgain } from './retries.js';
export type { TaskHandler } from './run-task.js';
export { type TaskEnd, TaskQueue } from './task-queue.js';
export { PostgresTaskQueue } from './task-queue.postgres.js';
export { TaskReading } from './task-reading.js';
