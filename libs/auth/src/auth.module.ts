import { Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { DeliveryModule } from '#delivery';
import { OtpModule } from '#otp';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { AuthService } from './auth.service.js';
import { SessionService } from './session.service.js';

/** Sign-in by phone. The application provides `OperatorCredential`. */
@Module({
  imports: [AbuseModule, DeliveryModule, OtpModule, TokensModule, UsersModule],
  providers: [AuthService, SessionService],
  exports: [AuthService, SessionService],
})
export class AuthModule {}
