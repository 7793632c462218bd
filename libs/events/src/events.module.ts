import { Module } from '@nestjs/common';
import { EventsRepository } from './events.repository.js';

/** The record of security events. The application provides `EventPolicy`. */
@Module({ providers: [EventsRepository], exports: [EventsRepository] })
export class EventsModule {}
