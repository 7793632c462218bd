import { resolve } from 'node:path';
import { validateSync } from 'class-validator';
import type { CountryCode } from 'libphonenumber-js';
import { parseDurationMs, parseRate } from './duration.js';
import { Environment, LIMITS } from './environment.js';
import { type Channel, type FallbackConfig, parseFallback, type SenderName } from './fallback.js';
import { isHeaders } from './rules.js';
import { parseTestNumbers } from './test-numbers.js';

export interface TwilioConfig {
  readonly accountSid: string;
  /** The account SID, or the SID of an API key. */
  readonly username: string;
  /** The auth token, or the secret of the API key. */
  readonly password: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** Null: no WhatsApp. Without a template (`contentSid`) only those who wrote lately are reached. */
  readonly whatsapp: { readonly from: string; readonly contentSid: string | null } | null;
  /** The number that calls come from; null: no calls. */
  readonly callFrom: string | null;
  /** Whether Twilio is told which codes were typed in. */
  readonly feedback: boolean;
  /** What status callbacks may be signed with. Empty: none can be checked, so none are asked for. */
  readonly signingTokens: readonly string[];
  /** Null for Twilio's own. */
  readonly apiUrl: string | null;
}

/** Another provider, or a gateway. Texts with placeholders are Mustache templates. */
export interface HttpSenderConfig {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** A regular expression; null: any 2xx is a success. */
  readonly success: string | null;
  readonly channels: readonly Channel[];
  readonly allowPrivate: boolean;
}

/** So many in so much time. */
interface Rate {
  readonly points: number;
  readonly seconds: number;
}

type LimitName = (typeof LIMITS)[number];

/** What the environment says, checked and typed. Durations are milliseconds. */
export interface AppConfig {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  /** Null for `http://localhost:{port}`. Without a slash at the end. */
  readonly publicUrl: string | null;
  readonly dataDir: string;
  /** Null for the embedded Postgres. */
  readonly databaseUrl: string | null;
  /** Null: Postgres does everything. */
  readonly redisUrl: string | null;
  /** Null for one that is made up and kept under `dataDir`. */
  readonly secret: string | null;
  readonly secretPrevious: string | null;
  /** Who usually carries messages. */
  readonly sender: SenderName;
  /** Null: Twilio carries none. */
  readonly twilio: TwilioConfig | null;
  /** Null: no other provider carries any. */
  readonly httpSender: HttpSenderConfig | null;
  /** Null: a code that did not arrive goes nowhere else. */
  readonly fallback: FallbackConfig | null;
  readonly brand: string;
  /** The last line of an SMS, for whoever fills the code in. */
  readonly autofill: { readonly origin: string } | { readonly appHash: string } | null;
  /** Codes by phone number, and when they end (milliseconds since 1970; null: never). */
  readonly testNumbers: { readonly codes: Readonly<Record<string, string>>; readonly until: number | null };
  readonly defaultRegion: CountryCode | null;
  readonly otp: { readonly ttlMs: number; readonly length: number; readonly maxAttempts: number };
  readonly tokenTtlMs: number;
  /** ISO 3166-1 codes; null: all. */
  readonly allowedCountries: readonly string[] | null;
  /** IP addresses and networks. */
  readonly trustedProxies: readonly string[];
  readonly limits: {
    readonly coolDownsMs: readonly number[];
    readonly sendsPerNumber: readonly Rate[];
    readonly sendsPerAddress: readonly Rate[];
    readonly checksPerAddress: readonly Rate[];
    /** Those that record what they would have refused and refuse nothing. */
    readonly monitored: readonly LimitName[];
  };
  readonly breakerEnforced: boolean;
  readonly spendCaps: { readonly perDay: number; readonly perCountry: number };
  /** Null for the prices and the policy that come with the server. */
  readonly pricesFile: string | null;
  readonly policyFile: string | null;
  /** Null: there are no routes for operators. */
  readonly operatorToken: string | null;
  /** Whether this process sends what it accepts. */
  readonly background: boolean;
  /** Where a worker serves its metrics; null: nowhere. */
  readonly metricsPort: number | null;
  readonly drainTimeoutMs: number;
  readonly migrateOnStart: boolean;
  readonly logLevel: string;
}

/** A variable and the rule it breaks, never its value. */
export interface ConfigurationFault {
  readonly name: string;
  readonly rule: string;
}

/** The environment cannot be run on; says every fault at once. */
export class ConfigurationError extends Error {
  constructor(readonly faults: readonly ConfigurationFault[]) {
    super(faults.map(({ name, rule }) => `${name}: ${rule}`).join('\n'));
  }
}

type Variables = Readonly<Record<string, string | undefined>>;

/** @throws ConfigurationError */
export function readConfig(variables: Variables = process.env): AppConfig {
  const environment = given(variables);
  const faults = [...brokenRules(environment), ...contradictions(environment)];
  if (faults.length > 0) throw new ConfigurationError(faults);
  return freeze(toConfig(environment));
}

/** The defaults with the given values over them. An empty value counts as unset. */
function given(variables: Variables): Environment {
  const environment = new Environment();
  for (const name of Object.keys(environment) as (keyof Environment)[]) {
    const value = variables[name]?.trim();
    if (value) environment[name] = value;
  }
  return environment;
}

function brokenRules(environment: Environment): ConfigurationFault[] {
  return validateSync(environment).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((rule) => ({ name: property, rule: `must be ${rule}` })),
  );
}

/** What no single variable can be blamed for. */
function contradictions(env: Environment): ConfigurationFault[] {
  const production = env.NODE_ENV === 'production';
  const sender = senderOf(env);
  const twilio = usesTwilio(env);
  const faults: (ConfigurationFault | false)[] = [
    production &&
      !env.DATABASE_URL &&
      fault('DATABASE_URL', 'is needed in production: the embedded Postgres is for development'),
    production && !env.SECRET && fault('SECRET', 'is needed in production: a made-up one is for development'),
    production &&
      sender === 'inbox' &&
      fault('MESSAGE_SENDER', 'must be twilio or http in production: the inbox shows codes to anybody'),
    sender === 'http' && !env.HTTP_SENDER_URL && fault('HTTP_SENDER_URL', 'is needed to send by HTTP'),
    Boolean(env.SMS_ORIGIN) &&
      Boolean(env.SMS_APP_HASH) &&
      fault('SMS_APP_HASH', 'and SMS_ORIGIN exclude each other: there is one last line'),
    fallbackFault(env),
    isHeaders(env.HTTP_SENDER_HEADERS) && httpSenderFault(env),
    production && Boolean(env.TEST_PHONE_NUMBERS) && testNumbersFault(env),
    twilio && !env.TWILIO_ACCOUNT_SID && fault('TWILIO_ACCOUNT_SID', 'is needed to send by Twilio'),
    twilio &&
      !env.TWILIO_AUTH_TOKEN &&
      !env.TWILIO_API_KEY &&
      fault('TWILIO_AUTH_TOKEN', 'or TWILIO_API_KEY is needed to send by Twilio'),
    twilio &&
      !env.TWILIO_FROM &&
      !env.TWILIO_MESSAGING_SERVICE_SID &&
      fault('TWILIO_FROM', 'or TWILIO_MESSAGING_SERVICE_SID is needed to send by Twilio'),
    Boolean(env.TWILIO_API_KEY) !== Boolean(env.TWILIO_API_SECRET) &&
      fault('TWILIO_API_KEY', 'and TWILIO_API_SECRET go together'),
    Boolean(env.SECRET_PREVIOUS) &&
      !env.SECRET &&
      fault('SECRET_PREVIOUS', 'needs a SECRET that replaces it'),
    env.BACKGROUND === 'off' &&
      sender === 'inbox' &&
      fault('BACKGROUND', 'must be on with the inbox, which lives in the memory of this process'),
  ];
  return faults.filter((found) => found !== false);
}

function fault(name: keyof Environment, rule: string): ConfigurationFault {
  return { name, rule };
}

/** Every route must have somebody who carries it. */
function fallbackFault(env: Environment): ConfigurationFault | false {
  const fallback = env.FALLBACK ? parseFallback(env.FALLBACK) : null;
  const carriers = carriersOf(env);
  const uncarried = fallback?.routes.find(({ channel, sender }) => {
    return !carriers.some(({ name, channels }) => channels.includes(channel) && (sender ?? name) === name);
  });
  if (!uncarried) return false;
  const { channel, sender } = uncarried;
  const needed = { sms: 'a sender', whatsapp: 'TWILIO_WHATSAPP_FROM', call: 'TWILIO_CALL_FROM' }[channel];
  const missing = sender === 'http' ? 'HTTP_SENDER_URL or HTTP_SENDER_CHANNELS' : needed;
  return fault(
    'FALLBACK',
    `names ${sender ? `${channel}:${sender}` : channel}, which nobody carries: see ${missing}`,
  );
}

/** A request that says nothing, or JSON that is none, would fail with every message. */
function httpSenderFault(env: Environment): ConfigurationFault | false {
  if (!env.HTTP_SENDER_URL) return false;
  if (env.HTTP_SENDER_METHOD === 'GET') {
    return (
      !env.HTTP_SENDER_URL.includes('{{') &&
      fault('HTTP_SENDER_URL', 'needs placeholders when its method is GET')
    );
  }
  const types = new Headers(JSON.parse(env.HTTP_SENDER_HEADERS ?? '{}')).get('content-type');
  const isJson = types === null || /[/+]json\b/.test(types);
  return (
    isJson &&
    !isJsonText(env.HTTP_SENDER_BODY.replace(/\{\{\w+\}\}/g, '1')) &&
    fault(
      'HTTP_SENDER_BODY',
      'must be JSON once its placeholders are filled, or HTTP_SENDER_HEADERS name another type',
    )
  );
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const LONGEST_TEST_MS = 90 * 86_400_000;

function testNumbersFault({ TEST_PHONE_NUMBERS_UNTIL: until }: Environment): ConfigurationFault | false {
  // What is no date is the rule's to say.
  const isFar = until === undefined || Date.parse(until) > Date.now() + LONGEST_TEST_MS;
  return (
    isFar && fault('TEST_PHONE_NUMBERS_UNTIL', 'is needed in production, and may be 90 days ahead at most')
  );
}

/** Who carries what, the usual one first. */
function carriersOf(env: Environment): { name: SenderName; channels: Channel[] }[] {
  const usual = senderOf(env);
  if (usual === 'inbox') return [{ name: 'inbox', channels: ['sms', 'whatsapp', 'call'] }];
  const channels = env.HTTP_SENDER_CHANNELS.split(',') as Channel[];
  const http = env.HTTP_SENDER_URL ? [{ name: 'http' as const, channels }] : [];
  const twilio = usesTwilio(env) ? [{ name: 'twilio' as const, channels: twilioChannelsOf(env) }] : [];
  return usual === 'http' ? [...http, ...twilio] : [...twilio, ...http];
}

function twilioChannelsOf(env: Environment): Channel[] {
  const channels: (Channel | false)[] = [
    'sms',
    Boolean(env.TWILIO_WHATSAPP_FROM) && 'whatsapp',
    Boolean(env.TWILIO_CALL_FROM) && 'call',
  ];
  return channels.filter((channel) => channel !== false);
}

function senderOf(env: Environment): SenderName {
  if (env.MESSAGE_SENDER) return env.MESSAGE_SENDER as SenderName;
  if (namesTwilio(env)) return 'twilio';
  return env.HTTP_SENDER_URL ? 'http' : 'inbox';
}

/** Also as the second of two. */
function usesTwilio(env: Environment): boolean {
  const sender = senderOf(env);
  return sender === 'twilio' || (sender === 'http' && namesTwilio(env));
}

function namesTwilio(env: Environment): boolean {
  const set = [
    env.TWILIO_ACCOUNT_SID,
    env.TWILIO_AUTH_TOKEN,
    env.TWILIO_API_KEY,
    env.TWILIO_FROM,
    env.TWILIO_MESSAGING_SERVICE_SID,
  ];
  return set.some(Boolean);
}

function toConfig(env: Environment): AppConfig {
  const production = env.NODE_ENV === 'production';
  return {
    production,
    host: env.HOST,
    port: Number(env.PORT),
    publicUrl: env.PUBLIC_URL?.replace(/\/+$/, '') ?? null,
    dataDir: resolve(env.DATA_DIR),
    databaseUrl: env.DATABASE_URL ?? null,
    redisUrl: env.REDIS_URL ?? null,
    secret: env.SECRET ?? null,
    secretPrevious: env.SECRET_PREVIOUS ?? null,
    sender: senderOf(env),
    twilio: usesTwilio(env) ? toTwilioConfig(env) : null,
    httpSender: senderOf(env) !== 'inbox' && env.HTTP_SENDER_URL ? toHttpSenderConfig(env) : null,
    fallback: env.FALLBACK ? parseFallback(env.FALLBACK) : null,
    brand: env.BRAND,
    autofill: autofillOf(env),
    testNumbers: {
      codes: parseTestNumbers(env.TEST_PHONE_NUMBERS ?? '') ?? {},
      until: env.TEST_PHONE_NUMBERS_UNTIL ? Date.parse(env.TEST_PHONE_NUMBERS_UNTIL) : null,
    },
    defaultRegion: (env.DEFAULT_REGION as CountryCode | undefined) ?? null,
    otp: {
      ttlMs: ms(env.OTP_TTL),
      length: Number(env.OTP_LENGTH),
      maxAttempts: Number(env.OTP_MAX_ATTEMPTS),
    },
    tokenTtlMs: ms(env.TOKEN_TTL),
    allowedCountries: env.ALLOWED_COUNTRIES?.split(',') ?? null,
    trustedProxies: env.TRUSTED_PROXIES?.split(',') ?? [],
    limits: {
      coolDownsMs: env.LIMIT_COOL_DOWN.split(',').map(ms),
      sendsPerNumber: rates(env.LIMIT_SENDS_PER_NUMBER),
      sendsPerAddress: rates(env.LIMIT_SENDS_PER_ADDRESS),
      checksPerAddress: rates(env.LIMIT_CHECKS_PER_ADDRESS),
      monitored: monitored(env.LIMIT_MODE),
    },
    breakerEnforced: env.BREAKER_MODE === 'enforce',
    spendCaps: { perDay: Number(env.SPEND_CAP_PER_DAY), perCountry: Number(env.SPEND_CAP_PER_COUNTRY) },
    pricesFile: env.PRICES_FILE ?? null,
    policyFile: env.POLICY_FILE ?? null,
    operatorToken: env.OPERATOR_TOKEN ?? null,
    background: env.BACKGROUND === 'on',
    metricsPort: env.METRICS_PORT === undefined ? null : Number(env.METRICS_PORT),
    drainTimeoutMs: ms(env.DRAIN_TIMEOUT),
    migrateOnStart: (env.MIGRATE_ON_START ?? (production ? 'off' : 'on')) === 'on',
    logLevel: env.LOG_LEVEL,
  };
}

function toTwilioConfig(env: Environment): TwilioConfig {
  const accountSid = env.TWILIO_ACCOUNT_SID as string;
  return {
    accountSid,
    username: env.TWILIO_API_KEY ?? accountSid,
    password: (env.TWILIO_API_KEY ? env.TWILIO_API_SECRET : env.TWILIO_AUTH_TOKEN) as string,
    from: env.TWILIO_FROM ?? null,
    messagingServiceSid: env.TWILIO_MESSAGING_SERVICE_SID ?? null,
    whatsapp: env.TWILIO_WHATSAPP_FROM
      ? { from: env.TWILIO_WHATSAPP_FROM, contentSid: env.TWILIO_WHATSAPP_CONTENT_SID ?? null }
      : null,
    callFrom: env.TWILIO_CALL_FROM ?? null,
    feedback: env.TWILIO_FEEDBACK === 'on',
    signingTokens: [env.TWILIO_AUTH_TOKEN, env.TWILIO_AUTH_TOKEN_SECONDARY].filter(
      (token) => token !== undefined,
    ),
    apiUrl: env.TWILIO_API_URL?.replace(/\/+$/, '') ?? null,
  };
}

function toHttpSenderConfig(env: Environment): HttpSenderConfig {
  return {
    url: env.HTTP_SENDER_URL as string,
    method: env.HTTP_SENDER_METHOD,
    headers: JSON.parse(env.HTTP_SENDER_HEADERS ?? '{}'),
    body: env.HTTP_SENDER_BODY,
    success: env.HTTP_SENDER_SUCCESS ?? null,
    channels: env.HTTP_SENDER_CHANNELS.split(',') as Channel[],
    allowPrivate: env.HTTP_SENDER_ALLOW_PRIVATE === 'on',
  };
}

function autofillOf({ SMS_ORIGIN: origin, SMS_APP_HASH: appHash }: Environment): AppConfig['autofill'] {
  if (origin !== undefined) return { origin };
  return appHash === undefined ? null : { appHash };
}

function rates(text: string): Rate[] {
  return text.split(',').map((rate) => parseRate(rate) as Rate);
}

function monitored(mode: string): LimitName[] {
  if (mode === 'enforce') return [];
  return mode === 'monitor' ? [...LIMITS] : (mode.split(',') as LimitName[]);
}

function ms(duration: string): number {
  return parseDurationMs(duration) as number;
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner && typeof inner === 'object') freeze(inner);
  return Object.freeze(value);
}
