import { type DynamicModule, Global, Module } from '@nestjs/common';
import { BreakerStore, LedgerStore, PostgresStateStore, RedisStateStore } from '#abuse';
import type { AppConfig } from '#config';
import { PostgresVerificationStore, RedisVerificationStore, VerificationStore } from '#otp';
import { NoTokenCache, RedisTokenCache, TokenCache } from '#tokens';

/** Picks the driver of every store: Redis where it is configured, else Postgres. */
@Global()
@Module({})
export class StoresModule {
  static forRoot({ redisUrl }: Pick<AppConfig, 'redisUrl'>): DynamicModule {
    const hasRedis = redisUrl !== null;
    const providers = [
      { provide: VerificationStore, useClass: hasRedis ? RedisVerificationStore : PostgresVerificationStore },
      { provide: TokenCache, useClass: hasRedis ? RedisTokenCache : NoTokenCache },
      // One store where there is no Redis, so that one decision can be on both kinds of states.
      {
        provide: BreakerStore,
        ...(hasRedis ? { useClass: RedisStateStore } : { useExisting: LedgerStore }),
      },
      // Guesses and spending must survive the loss of Redis.
      { provide: LedgerStore, useClass: PostgresStateStore },
    ];
    return { module: StoresModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
