import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { AuthGuard, AuthModule } from '#auth';
import type { AppConfig } from '#config';
import { callbackUrlFor, Senders } from '#messaging';
import { DevicesController } from './account/devices.controller.js';
import { Channels } from './http/channels.js';
import { PhoneNumbers } from './http/phone-numbers.js';
import { ProblemFilter } from './http/problem.filter.js';
import { ProblemsController } from './http/problems.controller.js';
import { DeviceCookie } from './http/requester.js';
import { createValidationPipe } from './http/validation.js';
import { InboxController } from './inbox/inbox.controller.js';
import { BlocksController } from './operations/blocks.controller.js';
import { HealthController } from './operations/health.controller.js';
import { MetricsController } from './operations/metrics.controller.js';
import { SignUpController } from './sign-up/sign-up.controller.js';
import { VerificationsController } from './verifications/verifications.controller.js';
import { TwilioController } from './webhooks/twilio.controller.js';

/** HTTP over everything else. */
@Module({})
export class ApiModule {
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    return {
      module: ApiModule,
      imports: [AuthModule.forRoot(config, databaseUrl), TerminusModule.forRoot({ logger: false })],
      controllers: [
        SignUpController,
        VerificationsController,
        HealthController,
        MetricsController,
        ProblemsController,
        DevicesController,
        ...(config.operatorToken === null ? [] : [BlocksController]),
        ...(config.sender === 'inbox' ? [InboxController] : []),
        ...(config.twilio && callbackUrlFor(config.publicUrl, config.twilio) ? [TwilioController] : []),
      ],
      providers: [
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_PIPE, useFactory: createValidationPipe },
        { provide: APP_FILTER, useValue: new ProblemFilter(config.publicUrl) },
        {
          provide: DeviceCookie,
          useValue: new DeviceCookie(config.publicUrl?.startsWith('https:') === true),
        },
        {
          provide: Channels,
          useFactory: ({ channels }: Senders) => new Channels(channels),
          inject: [Senders],
        },
        { provide: PhoneNumbers, useValue: new PhoneNumbers(config.defaultRegion) },
      ],
    };
  }
}
