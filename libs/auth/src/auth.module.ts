import { type DynamicModule, Module } from '@nestjs/common';
import {
  AbuseModule,
  PostgresLimiterStore,
  PostgresStateStore,
  RedisLimiterStore,
  RedisStateStore,
  readPolicy,
  readPrices,
} from '#abuse';
import { BackgroundModule, PostgresTaskQueue, RedisTaskQueue } from '#background';
import { type AppConfig, ConfigurationError } from '#config';
import { KeysModule, madeUpSecret } from '#keys';
import { MessagingModule } from '#messaging';
import { OtpModule, PostgresVerificationStore, RedisVerificationStore, TestNumbers } from '#otp';
import { PostgresModule } from '#postgres';
import { RedisModule } from '#redis';
import { TokensModule } from '#tokens';
import { UsersModule } from '#users';
import { AuthService } from './auth.service.js';
import { ConfirmCodeTask } from './confirm-code.task.js';
import { Deliveries, DeliveryOptions } from './deliveries.service.js';
import { Housekeeping } from './housekeeping.js';
import { OperatorCredential } from './operator-credential.js';
import { SendCodeTask } from './send-code.task.js';

/** Everything but HTTP, put together. The one place that picks drivers. */
@Module({})
export class AuthModule {
  /** @param databaseUrl the configured Postgres, or the embedded one. */
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    const { redisUrl } = config;
    const messaging = MessagingModule.forRoot(config);
    const policy = fromFile('POLICY_FILE', () => readPolicy(config.policyFile));
    const abuse = AbuseModule.forRoot({
      limiterStore: redisUrl ? RedisLimiterStore : PostgresLimiterStore,
      breakerStore: redisUrl ? RedisStateStore : PostgresStateStore,
      ledgerStore: PostgresStateStore,
      limits: { ...config.limits, contestedSends: policy.guesses.contestedSends },
      options: {
        policy,
        prices: fromFile('PRICES_FILE', () => readPrices(config.pricesFile)),
        caps: config.spendCaps,
        allowedCountries: config.allowedCountries,
        breakerEnforced: config.breakerEnforced,
        usualCodeLength: config.otp.length,
        maxAttempts: config.otp.maxAttempts,
      },
    });
    const otp = OtpModule.forRoot({
      store: redisUrl ? RedisVerificationStore : PostgresVerificationStore,
      policy: config.otp,
      testNumbers: new TestNumbers(config.testNumbers.codes, config.testNumbers.until),
    });
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
        abuse,
        otp,
        messaging,
        TokensModule.forRoot({ ttlMs: config.tokenTtlMs }),
        UsersModule,
      ],
      providers: [
        AuthService,
        Deliveries,
        { provide: DeliveryOptions, useValue: { fallback: config.fallback } },
        SendCodeTask,
        ConfirmCodeTask,
        Housekeeping,
        { provide: OperatorCredential, useValue: new OperatorCredential(config.operatorToken) },
      ],
      exports: [AuthService, Deliveries, OperatorCredential, abuse, messaging, otp],
    };
  }
}

/** A file that cannot be used is a fault of the configuration. */
function fromFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigurationError([{ name, rule: (error as Error).message }]);
  }
}
