import { Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { DeliveryModule } from '#delivery';
import { OtpModule } from '#otp';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { AccountService } from './account.service.js';
import { AccountsRepository } from './accounts.repository.js';
import { AuthService } from './auth.service.js';
import { ClientLimits } from './client-limits.js';
import { SessionService } from './session.service.js';
import { SessionsRepository } from './sessions.repository.js';
import { SignUpService } from './sign-up.service.js';
import { SignUpClients } from './sign-up-clients.js';

/** Sign-in by phone. The application provides `OperatorCredential` and `ApiClients`. */
@Module({
  imports: [AbuseModule, DeliveryModule, OtpModule, TokensModule, UsersModule],
  providers: [
    AccountService,
    AccountsRepository,
    AuthService,
    ClientLimits,
    SignUpService,
    SignUpClients,
    SessionService,
    SessionsRepository,
  ],
  exports: [AccountService, AuthService, ClientLimits, SignUpService, SessionService],
})
export class AuthModule {}
