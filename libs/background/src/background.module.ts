import { Module } from '@nestjs/common';
import { BackgroundService } from './background.service.js';

/** Durable tasks. The application provides `TaskQueue` and `BackgroundOptions`. */
@Module({ providers: [BackgroundService], exports: [BackgroundService] })
export class BackgroundModule {}
