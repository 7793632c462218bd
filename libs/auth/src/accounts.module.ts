import { Module } from '@nestjs/common';
import { BadNumbersModule } from '#delivery';
import { EventsModule } from '#events';
import { OtpModule } from '#otp';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { AccountService } from './account.service.js';
import { AccountsRepository } from './accounts.repository.js';
import { ImportsRepository } from './imports.repository.js';
import { RecycledNumbersRepository } from './recycled-numbers.repository.js';
import { SessionService } from './session.service.js';
import { SessionsRepository } from './sessions.repository.js';

/** Accounts and their sessions, for the API and for the command line. It needs neither providers nor the queue. */
@Module({
  imports: [BadNumbersModule, EventsModule, OtpModule, TokensModule, UsersModule],
  providers: [
    AccountService,
    AccountsRepository,
    ImportsRepository,
    RecycledNumbersRepository,
    SessionService,
    SessionsRepository,
  ],
  exports: [AccountService, ImportsRepository, RecycledNumbersRepository, SessionService, TokensModule],
})
export class AccountsModule {}
