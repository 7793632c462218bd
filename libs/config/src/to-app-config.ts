import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { CountryCode } from 'libphonenumber-js';
import type { AppConfig } from './app-config.js';
import { parseDurationMs } from './duration.js';
import type { Environment } from './environment.js';
import { parseFallback } from './fallback.js';
import { LIMITS, type LimitName, parseRate, type Rate } from './limits.js';
import { parseList } from './list.js';
import { LOOPBACK_ORIGINS } from './origin.js';
import { defaultProviderOf, toHttpProviderConfig, toTwilioConfig } from './providers.js';
import { parseTestNumbers } from './test-numbers.js';

/**
 * Converts an environment that has passed every check.
 *
 * @param names of the variables that are set.
 */
export function toAppConfig(env: Environment, names: readonly string[]): Omit<AppConfig, 'warnings'> {
  return { ...server(env), ...storage(env), ...messages(env), ...codes(env), ...abuse(env, names) };
}

function server(env: Environment) {
  return {
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: Number(env.PORT),
    publicUrl: env.PUBLIC_URL?.replace(/\/+$/, '') ?? null,
    allowedOrigins: toAllowedOrigins(env),
    trustedProxies: env.TRUSTED_PROXIES ? parseList(env.TRUSTED_PROXIES) : [],
    keepAliveTimeoutMs: toMs(env.KEEP_ALIVE_TIMEOUT),
    maxConnections: Number(env.MAX_CONNECTIONS),
    maxConnectionsPerAddress: Number(env.MAX_CONNECTIONS_PER_ADDRESS),
    operatorToken: env.OPERATOR_TOKEN ?? null,
    clientsFile: env.CLIENTS_FILE ?? null,
    background: env.BACKGROUND === 'on',
    workers: toWorkers(env),
    metricsPort: env.METRICS_PORT === undefined ? null : Number(env.METRICS_PORT),
    drainTimeoutMs: toMs(env.DRAIN_TIMEOUT),
    docs: env.DOCS === 'on',
    shutdownDelayMs: toMs(env.SHUTDOWN_DELAY),
    logLevel: env.LOG_LEVEL,
  };
}

/** By default any port of a developer's machine. Other programs there have ports, too, so they get no cookies. */
function toAllowedOrigins({ ALLOWED_ORIGINS, NODE_ENV }: Environment): AppConfig['allowedOrigins'] {
  if (ALLOWED_ORIGINS !== undefined) return { patterns: parseList(ALLOWED_ORIGINS), credentials: true };
  return { patterns: NODE_ENV === 'production' ? [] : [...LOOPBACK_ORIGINS], credentials: false };
}

function storage(env: Environment) {
  const migrateByDefault = env.NODE_ENV === 'production' ? 'off' : 'on';
  return {
    dataDir: resolve(env.DATA_DIR),
    databaseUrl: env.DATABASE_URL ?? null,
    databaseSchema: env.DATABASE_SCHEMA ?? null,
    databasePoolSize: Number(env.DATABASE_POOL_SIZE),
    databaseTimeoutMs: toMs(env.DATABASE_TIMEOUT),
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
    newNumberRanges: env.NEW_NUMBER_RANGES ? parseList(env.NEW_NUMBER_RANGES) : [],
    locales: env.LOCALES ? parseList(env.LOCALES) : null,
    defaultLocale: env.DEFAULT_LOCALE ?? null,
    messagesFile: env.MESSAGES_FILE ?? null,
    allowedCountries: env.ALLOWED_COUNTRIES ? parseList(env.ALLOWED_COUNTRIES) : null,
  };
}

function codes(env: Environment) {
  return {
    otp: {
      ttlMs: toMs(env.OTP_TTL),
      length: Number(env.OTP_LENGTH),
      maxAttempts: Number(env.OTP_MAX_ATTEMPTS),
    },
    sessions: toSessions(env),
    sessionCookie: env.SESSION_COOKIE === 'on',
    signUpNumericIds: env.SIGNUP_NUMERIC_IDS === 'on',
    forwardPhone: env.FORWARD_PHONE === 'on',
    eventsKeptMs: toMs(env.EVENTS_RETENTION),
    webhooks: toWebhooks(env),
    jwtAudiences: env.JWT_AUDIENCES ? parseList(env.JWT_AUDIENCES) : [],
  };
}

function toWebhooks(env: Environment): AppConfig['webhooks'] {
  if (!env.WEBHOOK_URL) return null;
  return {
    url: env.WEBHOOK_URL,
    secrets: parseList(env.WEBHOOK_SECRET ?? ''),
    allowPrivate: env.WEBHOOK_ALLOW_PRIVATE === 'on',
    numbers: env.WEBHOOK_NUMBERS === 'on',
    retryWaitsMs: parseList(env.WEBHOOK_RETRIES).map(toMs),
  };
}

/** By default no lifetime is shorter than the one before it. */
function toSessions(env: Environment): AppConfig['sessions'] {
  const ttlMs = toMs(env.TOKEN_TTL);
  const longest = env.SESSION_MAX_AGE ? toMs(env.SESSION_MAX_AGE) : Number.POSITIVE_INFINITY;
  const usual = Math.min(Math.max(toMs('30d'), ttlMs), longest);
  const refreshTtlMs = env.REFRESH_TTL ? toMs(env.REFRESH_TTL) : usual;
  const maxAgeMs = env.SESSION_MAX_AGE ? longest : Math.max(toMs('90d'), refreshTtlMs);
  return {
    ...{ ttlMs, refreshTtlMs, maxAgeMs, reuseWindowMs: toMs(env.REFRESH_REUSE_WINDOW) },
    recycledAfterMs: env.RECYCLED_AFTER ? toMs(env.RECYCLED_AFTER) : Math.max(toMs('180d'), refreshTtlMs),
    recycledNumbers: env.RECYCLED_NUMBERS as AppConfig['sessions']['recycledNumbers'],
  };
}

function abuse(env: Environment, names: readonly string[]) {
  const trial = isTrial(env);
  return {
    trial,
    limits: {
      coolDownsMs: parseList(env.LIMIT_COOL_DOWN).map(toMs),
      sendsPerNumber: toRates(env.LIMIT_SENDS_PER_NUMBER),
      sendsPerAddress: toRates(env.LIMIT_SENDS_PER_ADDRESS),
      checksPerAddress: toRates(env.LIMIT_CHECKS_PER_ADDRESS),
      monitored: monitoredLimits(env, names),
    },
    breakerEnforced: (env.BREAKER_MODE ?? (trial ? 'monitor' : 'enforce')) === 'enforce',
    spendCaps: spendCaps(env),
    pricesFile: env.PRICES_FILE ?? null,
    policyFile: env.POLICY_FILE ?? null,
  };
}

function spendCaps(env: Environment): AppConfig['spendCaps'] {
  const perDay = Number(env.SPEND_CAP_PER_DAY);
  const isOneCountry = env.ALLOWED_COUNTRIES !== undefined && !env.ALLOWED_COUNTRIES.includes(',');
  const perCountry = env.SPEND_CAP_PER_COUNTRY ?? (isOneCountry ? '100%' : '50%');
  const isShare = perCountry.endsWith('%');
  return {
    perDay,
    perCountry: isShare ? (perDay * Number(perCountry.slice(0, -1))) / 100 : Number(perCountry),
  };
}

function toAutofill({ SMS_ORIGIN, SMS_APP_HASH, SMS_APP_HASHES }: Environment): AppConfig['autofill'] {
  const hashes = [SMS_APP_HASH ?? '', ...parseList(SMS_APP_HASHES ?? '')].filter(Boolean);
  return { origin: SMS_ORIGIN ?? null, appHashes: [...new Set(hashes)] };
}

/** One with the inbox, which keeps its messages in the memory of a process. */
function toWorkers(env: Environment): number {
  if (env.WORKERS !== 'auto') return Number(env.WORKERS);
  return defaultProviderOf(env) === 'inbox' ? 1 : availableParallelism();
}

function toRates(text: string): Rate[] {
  return parseList(text).map((rate) => parseRate(rate) as Rate);
}

function monitoredLimits(env: Environment, names: readonly string[]): LimitName[] {
  const { LIMIT_MODE: mode } = env;
  if (mode === 'enforce') return [];
  if (mode === 'monitor') return [...LIMITS];
  if (mode !== undefined) return parseList(mode) as LimitName[];
  return isTrial(env) ? unsetLimits(names) : [];
}

/** The limits that a trial monitors unless their own variable is set. Guesses are always limited, and clients set their limits. */
const TRIAL_LIMITS = ['cool_down', 'sends_per_number', 'sends_per_address', 'checks_per_address'] as const;

function unsetLimits(names: readonly string[]): LimitName[] {
  return TRIAL_LIMITS.filter((limit) => !names.includes(`LIMIT_${limit.toUpperCase()}`));
}

/** Development with the inbox: no message costs anything, so a limit that refuses one only hinders. */
function isTrial(env: Environment): boolean {
  return env.NODE_ENV === 'development' && defaultProviderOf(env) === 'inbox';
}

function toMs(duration: string): number {
  return parseDurationMs(duration) as number;
}
