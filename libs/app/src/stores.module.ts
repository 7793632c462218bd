import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { AppConfig } from '#config';
import { PostgresVerificationStore, RedisVerificationStore, VerificationStore } from '#otp';
import { NoTokenCache, RedisTokenCache, TokenCache } from '#tokens';

/** Picks the drivers of stores: Redis where it is configured, else Postgres. */
@Global()
@Module({})
export class StoresModule {
  static forRoot({ redisUrl }: Pick<AppConfig, 'redisUrl'>): DynamicModule {
    const hasRedis = redisUrl !== null;
    const providers = [
      { provide: VerificationStore, useClass: hasRedis ? RedisVerificationStore : PostgresVerificationStore },
      { provide: TokenCache, useClass: hasRedis ? RedisTokenCache : NoTokenCache },
    ];
    return { module: StoresModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
