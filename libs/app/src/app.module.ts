import { type DynamicModule, Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { AuthModule, NumberLookupModule } from '#auth';
import { BackgroundModule } from '#background';
import type { AppConfig } from '#config';
import { DeliveryModule } from '#delivery';
import { EventsModule } from '#events';
import { IdempotencyModule } from '#idempotency';
import { KeysModule } from '#keys';
import { checkAllMessages, MessagingModule } from '#messaging';
import { MetricsModule } from '#metrics';
import { OtpModule } from '#otp';
import { PostgresModule } from '#postgres';
import { RedisModule } from '#redis';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { WebhookSenderModule, WebhooksModule } from '#webhooks';
import { AbuseWebhooksService } from './abuse-webhooks.service.js';
import { ClockSkewService } from './clock-skew.service.js';
import { DriversModule } from './drivers.module.js';
import { HousekeepingService } from './housekeeping.service.js';
import { messagingOptionsOf, OptionsModule } from './options.module.js';

/** The modules that the API uses. */
const FEATURES = [
  AbuseModule,
  AuthModule,
  DeliveryModule,
  EventsModule,
  IdempotencyModule,
  MessagingModule,
  NumberLookupModule,
  OtpModule,
  TokensModule,
];

/** The composition root: everything but HTTP. */
@Module({})
export class AppModule {
  /** @param databaseUrl the configured Postgres, or the embedded one. */
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    const messaging = messagingOptionsOf(config);
    // Here too, before anything connects: the connections of a start that fails would log errors of their own.
    checkAllMessages(messaging);
    return {
      module: AppModule,
      imports: [
        OptionsModule.forRoot(config, databaseUrl, messaging),
        DriversModule.forRoot(config),
        MetricsModule,
        PostgresModule,
        ...(config.redisUrl ? [RedisModule] : []),
        KeysModule,
        BackgroundModule,
        UsersModule,
        WebhookSenderModule,
        WebhooksModule,
        ...FEATURES,
      ],
      providers: [AbuseWebhooksService, ClockSkewService, HousekeepingService],
      exports: [BackgroundModule, ...FEATURES],
    };
  }
}
