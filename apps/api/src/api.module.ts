import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { AppModule } from '#app';
import { AuthGuard } from '#auth';
import { AppConfig } from '#config';
import { Keys } from '#keys';
import { callbackUrlFor, MessageProviders } from '#messaging';
import { AvatarsController } from './account/avatars.controller.js';
import { DevicesController } from './account/devices.controller.js';
import { MeController } from './account/me.controller.js';
import { PhoneNumberController } from './account/phone-number.controller.js';
import { Answers } from './http/answers.js';
import { AppHashParser } from './http/app-hash-parser.js';
import { ChannelParser } from './http/channel-parser.js';
import { CodeRequestParser } from './http/code-request-parser.js';
import { ConnectionCloser } from './http/connection-closer.js';
import { DeviceCookie } from './http/device-cookie.js';
import { DocsController } from './http/docs.controller.js';
import { PhoneNumberParser } from './http/phone-number-parser.js';
import { ProblemFilter } from './http/problem.filter.js';
import { ProblemsController } from './http/problems.controller.js';
import { PublicPath } from './http/public-path.js';
import { RequestMetrics } from './http/request-metrics.js';
import { SessionCookie } from './http/session-cookie.js';
import { InboxController } from './inbox/inbox.controller.js';
import { DiscoveryController } from './oauth/discovery.controller.js';
import { OAuthController } from './oauth/oauth.controller.js';
import { BlocksController } from './operations/blocks.controller.js';
import { CredentialFailures } from './operations/credential-failures.js';
import { HealthController } from './operations/health.controller.js';
import { MetricsController } from './operations/metrics.controller.js';
import { NumbersController } from './operations/numbers.controller.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { ProtectedController } from './sign-up/protected.controller.js';
import { SignUpController } from './sign-up/sign-up.controller.js';
import { SignUpAnswers } from './sign-up/sign-up-answers.js';
import { SignUpCookie } from './sign-up/sign-up-cookie.js';
import { SignUpUsers } from './sign-up/sign-up-user.dto.js';
import { TwilioVerifyController } from './twilio-verify/twilio-verify.controller.js';
import { VerificationsController } from './verifications/verifications.controller.js';
import { TwilioController } from './webhooks/twilio.controller.js';

/** The HTTP routes. */
@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [
    SignUpController,
    ProtectedController,
    VerificationsController,
    HealthController,
    ProblemsController,
    DevicesController,
    MeController,
    PhoneNumberController,
    AvatarsController,
    SessionsController,
    DiscoveryController,
  ],
  providers: [
    { provide: APP_GUARD, useClass: AuthGuard },
    {
      provide: APP_FILTER,
      useFactory: ({ publicUrl }: AppConfig) => new ProblemFilter(publicUrl),
      inject: [AppConfig],
    },
    {
      provide: DeviceCookie,
      useFactory: ({ publicUrl }: AppConfig) => new DeviceCookie(publicUrl?.startsWith('https:') === true),
      inject: [AppConfig],
    },
    {
      provide: SignUpCookie,
      useFactory: ({ publicUrl }: AppConfig, path: PublicPath) =>
        new SignUpCookie(publicUrl?.startsWith('https:') === true, path),
      inject: [AppConfig, PublicPath],
    },
    {
      provide: SignUpUsers,
      useFactory: ({ signUpNumericIds }: AppConfig) => new SignUpUsers(signUpNumericIds),
      inject: [AppConfig],
    },
    {
      provide: PublicPath,
      useFactory: ({ publicUrl }: AppConfig) => new PublicPath(publicUrl),
      inject: [AppConfig],
    },
    {
      provide: PhoneNumberParser,
      useFactory: ({ defaultRegion, newNumberRanges }: AppConfig, keys: Keys) =>
        new PhoneNumberParser(defaultRegion, newNumberRanges, keys),
      inject: [AppConfig, Keys],
    },
    AppHashParser,
    CodeRequestParser,
    SessionCookie,
    Answers,
    SignUpAnswers,
    { provide: ChannelParser, useFactory: createChannelParser, inject: [MessageProviders, AppConfig] },
    RequestMetrics,
    CredentialFailures,
    ConnectionCloser,
  ],
})
export class ApiModule {
  /** Adds the routes that exist only with certain settings. */
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    return {
      module: ApiModule,
      imports: [AppModule.forRoot(config, databaseUrl)],
      controllers: [
        ...(config.docs ? [DocsController] : []),
        // The metrics of one of several processes would mislead.
        ...(config.metricsPort === null && config.workers === 1 ? [MetricsController] : []),
        ...(config.operatorToken === null ? [] : [BlocksController, NumbersController]),
        ...(config.clientsFile === null ? [] : [OAuthController, TwilioVerifyController]),
        ...(config.provider === 'inbox' ? [InboxController] : []),
        ...(config.twilio && callbackUrlFor(config.publicUrl, config.twilio) ? [TwilioController] : []),
      ],
    };
  }
}

/** The inbox carries every channel unasked, so there only the channels of `FALLBACK` are configured. */
function createChannelParser(providers: MessageProviders, { provider, fallback }: AppConfig): ChannelParser {
  const fallbackChannels = fallback?.routes.map(({ channel }) => channel) ?? [];
  return new ChannelParser(providers, provider === 'inbox' ? fallbackChannels : providers.channels);
}
