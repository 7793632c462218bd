import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { OtpPolicy, VerificationService } from './verification.service.js';
import { VerificationStore } from './verification-store.js';

@Module({})
export class OtpModule {
  static forRoot({ store, policy }: { store: Type<VerificationStore>; policy: OtpPolicy }): DynamicModule {
    return {
      module: OtpModule,
      providers: [
        { provide: VerificationStore, useClass: store },
        { provide: OtpPolicy, useValue: policy },
        VerificationService,
      ],
      exports: [VerificationService],
    };
  }
}
