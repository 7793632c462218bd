import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { TestNumbers } from './test-numbers.js';
import { OtpPolicy, VerificationService } from './verification.service.js';
import { VerificationStore } from './verification-store.js';
import { VerificationWatch } from './verification-watch.js';

interface Parts {
  readonly store: Type<VerificationStore>;
  readonly policy: OtpPolicy;
  readonly testNumbers: TestNumbers;
}

@Module({})
export class OtpModule {
  static forRoot({ store, policy, testNumbers }: Parts): DynamicModule {
    return {
      module: OtpModule,
      providers: [
        { provide: VerificationStore, useClass: store },
        { provide: OtpPolicy, useValue: policy },
        { provide: TestNumbers, useValue: testNumbers },
        VerificationService,
        VerificationWatch,
      ],
      exports: [VerificationService, VerificationWatch, TestNumbers],
    };
  }
}
