import { type DynamicModule, Module } from '@nestjs/common';
import { BackgroundOptions, BackgroundService } from './background.service.js';
import { TaskQueue } from './task-queue.js';

@Module({})
export class BackgroundModule {
  static forRoot(options: BackgroundOptions & { openQueue: () => TaskQueue }): DynamicModule {
    return {
      module: BackgroundModule,
      providers: [
        { provide: BackgroundOptions, useValue: options },
        { provide: TaskQueue, useFactory: options.openQueue },
        BackgroundService,
      ],
      exports: [BackgroundService],
    };
  }
}
