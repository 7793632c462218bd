import { Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { BadNumbersModule } from '#delivery';
import { EventsModule } from '#events';
import { OtpModule } from '#otp';
import { UsersModule } from '#users';
import { NumberLookupService } from './number-lookup.service.js';

/** The lookup of a number, for the API and for the command line. It needs neither providers nor the queue. */
@Module({
  imports: [AbuseModule, BadNumbersModule, EventsModule, OtpModule, UsersModule],
  providers: [NumberLookupService],
  exports: [NumberLookupService],
})
export class NumberLookupModule {}
