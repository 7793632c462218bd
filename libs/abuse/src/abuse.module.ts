import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { LimiterStore } from './limiter-store.js';
import { LimitPolicy, Limits } from './limits.js';

@Module({})
export class AbuseModule {
  static forRoot({ store, policy }: { store: Type<LimiterStore>; policy: LimitPolicy }): DynamicModule {
    return {
      module: AbuseModule,
      providers: [
        { provide: LimiterStore, useClass: store },
        { provide: LimitPolicy, useValue: policy },
        Limits,
      ],
      exports: [Limits],
    };
  }
}
