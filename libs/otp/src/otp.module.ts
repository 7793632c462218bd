import { Module } from '@nestjs/common';
import { VerificationService } from './verification.service.js';
import { VerificationWatch } from './verification-watch.js';

/** Verifications. The application provides `VerificationStore`, `OtpPolicy` and `TestNumbers`. */
@Module({
  providers: [VerificationService, VerificationWatch],
  exports: [VerificationService, VerificationWatch],
})
export class OtpModule {}
