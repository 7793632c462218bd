import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { AbuseEvents } from './abuse-events.js';
import { AbuseOptions } from './abuse-options.js';
import { Clock } from './clock.js';
import { Guesses } from './guesses.service.js';
import { LimiterStore } from './limiter-store.js';
import { LimitPolicy, Limits } from './limits.js';
import { Sends } from './sends.service.js';
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
        Sends,
        Guesses,
      ],
      exports: [Sends, Guesses, Clock],
    };
  }
}
