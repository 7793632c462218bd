import { type DynamicModule, Module } from '@nestjs/common';
import { AbuseModule, PostgresLimiterStore, RedisLimiterStore } from '#abuse';
import { BackgroundModule, PostgresTaskQueue, RedisTaskQueue } from '#background';
import type { AppConfig } from '#config';
import { KeysModule, madeUpSecret } from '#keys';
import { InboxSender, MessagingModule, TwilioSender } from '#messaging';
import { OtpModule, PostgresVerificationStore, RedisVerificationStore } from '#otp';
import { PostgresModule } from '#postgres';
import { RedisModule } from '#redis';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { AuthService } from './auth.service.js';
import { Housekeeping } from './housekeeping.js';
import { SendCodeTask } from './send-code.task.js';

/** Everything but HTTP, put together. The one place that picks drivers. */
@Module({})
export class AuthModule {
  /** @param databaseUrl the configured Postgres, or the embedded one. */
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    const { redisUrl } = config;
    const messaging = MessagingModule.forRoot(
      config.twilio ? new TwilioSender(config.twilio) : new InboxSender(),
    );
    return {
      module: AuthModule,
      imports: [
        PostgresModule.forRoot(databaseUrl),
        ...(redisUrl ? [RedisModule.forRoot(redisUrl)] : []),
        KeysModule.forRoot({
          secret: config.secret ?? madeUpSecret(config.dataDir),
          previous: config.secretPrevious,
        }),
        BackgroundModule.forRoot({
          openQueue: () => (redisUrl ? new RedisTaskQueue(redisUrl) : new PostgresTaskQueue(databaseUrl)),
          inProcess: config.background,
          drainTimeoutMs: config.drainTimeoutMs,
        }),
        AbuseModule.forRoot({
          store: redisUrl ? RedisLimiterStore : PostgresLimiterStore,
          policy: { coolDownsMs: config.coolDownsMs },
        }),
        OtpModule.forRoot({
          store: redisUrl ? RedisVerificationStore : PostgresVerificationStore,
          policy: config.otp,
        }),
        messaging,
        TokensModule.forRoot({ ttlMs: config.tokenTtlMs }),
        UsersModule,
      ],
      providers: [AuthService, SendCodeTask, Housekeeping],
      exports: [AuthService, messaging],
    };
  }
}
