import { resolve } from 'node:path';
import type { CountryCode } from 'libphonenumber-js';
import type { AppConfig } from './app-config.js';
import { parseDurationMs } from './duration.js';
import type { Environment } from './environment.js';
import { parseFallback } from './fallback.js';
import { LIMITS, type LimitName, parseRate, type Rate } from './limits.js';
import { defaultProviderOf, toHttpProviderConfig, toTwilioConfig } from './providers.js';
import { parseTestNumbers } from './test-numbers.js';

/** Converts an environment that has passed every check. */
export function toAppConfig(env: Environment): AppConfig {
  return { ...server(env), ...storage(env), ...messages(env), ...codes(env), ...abuse(env) };
}

function server(env: Environment) {
  return {
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: Number(env.PORT),
    publicUrl: env.PUBLIC_URL?.replace(/\/+$/, '') ?? null,
    trustedProxies: env.TRUSTED_PROXIES?.split(',') ?? [],
    operatorToken: env.OPERATOR_TOKEN ?? null,
    background: env.BACKGROUND === 'on',
    metricsPort: env.METRICS_PORT === undefined ? null : Number(env.METRICS_PORT),
    drainTimeoutMs: toMs(env.DRAIN_TIMEOUT),
    logLevel: env.LOG_LEVEL,
  };
}

function storage(env: Environment) {
  const migrateByDefault = env.NODE_ENV === 'production' ? 'off' : 'on';
  return {
    dataDir: resolve(env.DATA_DIR),
    databaseUrl: env.DATABASE_URL ?? null,
    redisUrl: env.REDIS_URL ?? null,
    secret: env.SECRET ?? null,
    secretPrevious: env.SECRET_PREVIOUS ?? null,
    migrateOnStart: (env.MIGRATE_ON_START ?? migrateByDefault) === 'on',
  };
}

function messages(env: Environment) {
  return {
    provider: defaultProviderOf(env),
    twilio: toTwilioConfig(env),
    httpProvider: toHttpProviderConfig(env),
    fallback: env.FALLBACK ? parseFallback(env.FALLBACK) : null,
    brand: env.BRAND,
    autofill: toAutofill(env),
    testNumbers: {
      codes: parseTestNumbers(env.TEST_PHONE_NUMBERS ?? '') ?? {},
      until: env.TEST_PHONE_NUMBERS_UNTIL ? Date.parse(env.TEST_PHONE_NUMBERS_UNTIL) : null,
    },
    defaultRegion: (env.DEFAULT_REGION as CountryCode | undefined) ?? null,
    allowedCountries: env.ALLOWED_COUNTRIES?.split(',') ?? null,
  };
}

function codes(env: Environment) {
  return {
    otp: {
      ttlMs: toMs(env.OTP_TTL),
      length: Number(env.OTP_LENGTH),
      maxAttempts: Number(env.OTP_MAX_ATTEMPTS),
    },
    tokenTtlMs: toMs(env.TOKEN_TTL),
  };
}

function abuse(env: Environment) {
  return {
    limits: {
      coolDownsMs: env.LIMIT_COOL_DOWN.split(',').map(toMs),
      sendsPerNumber: toRates(env.LIMIT_SENDS_PER_NUMBER),
      sendsPerAddress: toRates(env.LIMIT_SENDS_PER_ADDRESS),
      checksPerAddress: toRates(env.LIMIT_CHECKS_PER_ADDRESS),
      monitored: toMonitored(env.LIMIT_MODE),
    },
    breakerEnforced: env.BREAKER_MODE === 'enforce',
    spendCaps: { perDay: Number(env.SPEND_CAP_PER_DAY), perCountry: Number(env.SPEND_CAP_PER_COUNTRY) },
    pricesFile: env.PRICES_FILE ?? null,
    policyFile: env.POLICY_FILE ?? null,
  };
}

function toAutofill({ SMS_ORIGIN: origin, SMS_APP_HASH: appHash }: Environment): AppConfig['autofill'] {
  if (origin !== undefined) return { origin };
  return appHash === undefined ? null : { appHash };
}

function toRates(text: string): Rate[] {
  return text.split(',').map((rate) => parseRate(rate) as Rate);
}

function toMonitored(mode: string): LimitName[] {
  if (mode === 'enforce') return [];
  return mode === 'monitor' ? [...LIMITS] : (mode.split(',') as LimitName[]);
}

function toMs(duration: string): number {
  return parseDurationMs(duration) as number;
}
