import { Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { BackgroundModule } from '#background';
import { DeliveryModule } from '#delivery';
import { ImagesModule } from '#images';
import { OtpModule } from '#otp';
import { UsersModule } from '#users';
import { WebhooksModule } from '#webhooks';
import { AccountsModule } from './accounts.module.js';
import { AuthService } from './auth.service.js';
import { AvatarService } from './avatar.service.js';
import { ClientLimits } from './client-limits.js';
import { ClientVerificationsService } from './client-verifications.service.js';
import { CodesService } from './codes.service.js';
import { NumberChangeService } from './number-change.service.js';
import { NumberChangesRepository } from './number-changes.repository.js';
import { SignUpService } from './sign-up.service.js';
import { SignUpClients } from './sign-up-clients.js';

/** Sign-in by phone. The application provides `OperatorCredential` and `ApiClients`. */
@Module({
  imports: [
    AbuseModule,
    AccountsModule,
    BackgroundModule,
    DeliveryModule,
    ImagesModule,
    OtpModule,
    UsersModule,
    WebhooksModule,
  ],
  providers: [
    AuthService,
    AvatarService,
    ClientLimits,
    ClientVerificationsService,
    CodesService,
    NumberChangeService,
    NumberChangesRepository,
    SignUpClients,
    SignUpService,
  ],
  exports: [
    AccountsModule,
    AuthService,
    AvatarService,
    ClientLimits,
    ClientVerificationsService,
    NumberChangeService,
    SignUpService,
  ],
})
export class AuthModule {}
