import { type DynamicModule, Global, Module } from '@nestjs/common';
import {
  BreakerStore,
  LedgerStore,
  LimiterStore,
  PostgresLimiterStore,
  PostgresStateStore,
  RedisLimiterStore,
  RedisStateStore,
} from '#abuse';
import type { AppConfig } from '#config';
import { PostgresVerificationStore, RedisVerificationStore, VerificationStore } from '#otp';

/** Picks the driver of every store: Redis where it is configured, else Postgres. */
@Global()
@Module({})
export class StoresModule {
  static forRoot({ redisUrl }: Pick<AppConfig, 'redisUrl'>): DynamicModule {
    const hasRedis = redisUrl !== null;
    const providers = [
      { provide: VerificationStore, useClass: hasRedis ? RedisVerificationStore : PostgresVerificationStore },
      { provide: LimiterStore, useClass: hasRedis ? RedisLimiterStore : PostgresLimiterStore },
      { provide: BreakerStore, useClass: hasRedis ? RedisStateStore : PostgresStateStore },
      // Guesses and spending must survive the loss of Redis.
      { provide: LedgerStore, useClass: PostgresStateStore },
    ];
    return { module: StoresModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
