import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { Abuse, AbuseOptions } from './abuse.service.js';
import { AbuseEvents } from './abuse-events.js';
import { Clock } from './clock.js';
import { LimiterStore } from './limiter-store.js';
import { LimitPolicy, Limits } from './limits.js';
import { BreakerStore, LedgerStore, type StateStore } from './state-store.js';

interface Parts {
  readonly limiterStore: Type<LimiterStore>;
  readonly breakerStore: Type<StateStore>;
  readonly ledgerStore: Type<StateStore>;
  readonly limits: LimitPolicy;
  readonly options: AbuseOptions;
}

@Module({})
export class AbuseModule {
  static forRoot({ limiterStore, breakerStore, ledgerStore, limits, options }: Parts): DynamicModule {
    return {
      module: AbuseModule,
      providers: [
        { provide: LimiterStore, useClass: limiterStore },
        { provide: BreakerStore, useClass: breakerStore },
        { provide: LedgerStore, useClass: ledgerStore },
        { provide: LimitPolicy, useValue: limits },
        { provide: AbuseOptions, useValue: options },
        AbuseEvents,
        Clock,
        Limits,
        Abuse,
      ],
      exports: [Abuse, Clock],
    };
  }
}
