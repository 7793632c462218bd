import { type DynamicModule, Global, Module } from '@nestjs/common';
import { openRedisTaskQueue, PostgresTaskQueue, TaskQueue, TaskReading } from '#background';
import type { AppConfig } from '#config';
import { QUEUED_MESSAGE } from '#delivery';
import { RedisOptions } from '#redis';
import { StoresModule } from './stores.module.js';

/** Picks the drivers of the stores and of the queue: Redis where it is configured, else Postgres. */
@Global()
@Module({})
export class DriversModule {
  static forRoot(config: AppConfig): DynamicModule {
    const queue = config.redisUrl
      ? { inject: [RedisOptions], useFactory: openRedisTaskQueue }
      : { useClass: PostgresTaskQueue };
    return {
      module: DriversModule,
      imports: [StoresModule.forRoot(config)],
      providers: [
        { provide: TaskQueue, ...queue },
        { provide: TaskReading, useValue: QUEUED_MESSAGE },
      ],
      exports: [TaskQueue],
    };
  }
}
