import { type DynamicModule, Module } from '@nestjs/common';
import { AccountsModule, NumberLookupModule } from '#auth';
import type { AppConfig } from '#config';
import { KeysModule } from '#keys';
import { MetricsModule } from '#metrics';
import { PostgresModule } from '#postgres';
import { RedisModule } from '#redis';
import { OptionsModule } from './options.module.js';
import { StoresModule } from './stores.module.js';

/** The composition root of commands: no providers, no queue and no housekeeping. */
@Module({})
export class CommandModule {
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    return {
      module: CommandModule,
      imports: [
        OptionsModule.forRoot(config, databaseUrl),
        StoresModule.forRoot(config),
        MetricsModule,
        PostgresModule,
        ...(config.redisUrl ? [RedisModule] : []),
        KeysModule,
        AccountsModule,
        NumberLookupModule,
      ],
      exports: [AccountsModule, NumberLookupModule],
    };
  }
}
