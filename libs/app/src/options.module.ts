import { type Abstract, type DynamicModule, Global, Module, type ValueProvider } from '@nestjs/common';
import { AbuseOptions, LimitPolicy, type Policy, readPolicy, readPrices } from '#abuse';
import {
  ApiClients,
  OperatorCredential,
  readClients,
  SessionCookieOptions,
  sessionCookieOptions,
} from '#auth';
import { BackgroundOptions } from '#background';
import { AppConfig, ConfigurationError } from '#config';
import { DeliveryOptions, SEND_CODE } from '#delivery';
import { EventPolicy } from '#events';
import { developmentSecret, KeyOptions } from '#keys';
import { localesFor, MessagingOptions, readMessages } from '#messaging';
import { CODE_LENGTHS, MessageTask, OtpPolicy, sampleCode, TestNumbers } from '#otp';
import { parsePhoneNumber } from '#phone';
import { PostgresOptions, sharePool } from '#postgres';
import { RedisOptions } from '#redis';
import { SessionPolicy } from '#tokens';
import { WebhookOptions } from '#webhooks';

/** Provides the options of every library, read from `AppConfig`. */
@Global()
@Module({})
export class OptionsModule {
  /** @throws ConfigurationError when a file that a variable names cannot be used. */
  static forRoot(
    config: AppConfig,
    databaseUrl: string,
    messaging = messagingOptionsOf(config),
  ): DynamicModule {
    const { fallback } = config;
    const policy = fromFile('POLICY_FILE', () => readPolicy(config.policyFile));
    const clients = fromFile('CLIENTS_FILE', () => readClients(config.clientsFile));
    const providers = [
      option(AppConfig, config),
      option(PostgresOptions, postgresOptionsOf(config, databaseUrl)),
      ...(config.redisUrl ? [option(RedisOptions, { url: config.redisUrl })] : []),
      option(KeyOptions, keyOptionsOf(config)),
      option(BackgroundOptions, { inProcess: config.background, drainTimeoutMs: config.drainTimeoutMs }),
      option(LimitPolicy, limitPolicyOf(config, policy, clients)),
      option(AbuseOptions, abuseOptionsOf(config, policy)),
      option(OtpPolicy, config.otp),
      option(TestNumbers, testNumbersOf(config)),
      option(DeliveryOptions, { fallback }),
      option(MessageTask, SEND_CODE),
      option(MessagingOptions, messaging),
      option(SessionPolicy, config.sessions),
      option(WebhookOptions, { receiver: config.webhooks }),
      option(EventPolicy, { keptMs: config.eventsKeptMs }),
      option(SessionCookieOptions, sessionCookieOptions(config)),
      option(OperatorCredential, new OperatorCredential(config.operatorToken)),
      option(ApiClients, clients),
    ];
    return { module: OptionsModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}

function option<T>(provide: Abstract<T>, useValue: T): ValueProvider<T> {
  return { provide, useValue };
}

function postgresOptionsOf(
  { databaseSchema, databasePoolSize, databaseTimeoutMs, redisUrl, background }: AppConfig,
  url: string,
): PostgresOptions {
  const connections = sharePool(databasePoolSize, background && redisUrl === null);
  return { url, schema: databaseSchema, connections, timeoutMs: databaseTimeoutMs };
}

function keyOptionsOf({ secret, secretPrevious, dataDir }: AppConfig): KeyOptions {
  return { secret: secret ?? developmentSecret(dataDir), previous: secretPrevious };
}

function limitPolicyOf({ limits }: AppConfig, { guesses }: Policy, clients: ApiClients): LimitPolicy {
  return { ...limits, contestedSends: guesses.contestedSends, clients: clients.limits };
}

function abuseOptionsOf(config: AppConfig, policy: Policy): AbuseOptions {
  return {
    policy,
    prices: fromFile('PRICES_FILE', () => readPrices(config.pricesFile)),
    caps: config.spendCaps,
    allowedCountries: config.allowedCountries,
    breakerEnforced: config.breakerEnforced,
    trial: config.trial,
    codeLengths: { ...CODE_LENGTHS, usual: config.otp.length },
    maxAttempts: config.otp.maxAttempts,
  };
}

/** @throws ConfigurationError when `MESSAGES_FILE` cannot be used. */
export function messagingOptionsOf(config: AppConfig): MessagingOptions {
  const { provider, twilio, httpProvider, publicUrl, brand, autofill, defaultLocale } = config;
  const ownTexts = fromFile('MESSAGES_FILE', () => readMessages(config.messagesFile));
  const sampleCodes = { usual: sampleCode(config.otp.length), longest: sampleCode(CODE_LENGTHS.longest) };
  const settings = { provider, twilio, httpProvider, publicUrl, brand, autofill, defaultLocale };
  return { ...settings, locales: localesFor(config, ownTexts), ownTexts, sampleCodes };
}

/** Numbers are compared in the form in which requests are read. */
function testNumbersOf({ testNumbers: { codes, until } }: AppConfig): TestNumbers {
  const entries = Object.entries(codes).map(([number, code]) => [parsePhoneNumber(number) ?? number, code]);
  return new TestNumbers(Object.fromEntries(entries), until);
}

/** Reports a file that cannot be used as a fault of its variable. */
function fromFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigurationError([{ name, rule: (error as Error).message }]);
  }
}
