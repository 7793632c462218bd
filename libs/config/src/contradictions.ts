import type { ConfigurationFault } from './configuration-error.js';
import { parseDurationMs } from './duration.js';
import type { Environment } from './environment.js';
import { type FallbackRoute, parseFallback } from './fallback.js';
import { parseList } from './list.js';
import { isLocale, isLocaleTag, LOCALE_TAGS } from './locale.js';
import { defaultProviderOf, providersOf, usesTwilio } from './providers.js';
import { isHeaders } from './rules.js';

/** A condition that must not hold, the variable to change, and the instruction for it. */
type Check = readonly [isBroken: boolean, name: keyof Environment, rule: string];

/** Twilio's number for trying WhatsApp, which takes text (https://www.twilio.com/docs/whatsapp/sandbox). */
const WHATSAPP_SANDBOX = '+14155238886';

const LONGEST_TEST_MS = 90 * 86_400_000;

/** Finds the faults that lie between variables: each one is valid by itself. */
export function contradictions(env: Environment): ConfigurationFault[] {
  const checks = [
    ...productionChecks(env),
    ...secretChecks(env),
    ...sessionChecks(env),
    ...smsChecks(env),
    ...twilioChecks(env),
    ...httpChecks(env),
    ...fallbackChecks(env),
    ...webhookChecks(env),
  ];
  return checks.filter(([isBroken]) => isBroken).map(([, name, rule]) => ({ name, rule }));
}

function productionChecks(env: Environment): Check[] {
  if (env.NODE_ENV !== 'production') return [];
  const until = env.TEST_PHONE_NUMBERS_UNTIL;
  // An invalid date compares as false: its own rule reports it.
  const isFarOff = until === undefined || Date.parse(until) > Date.now() + LONGEST_TEST_MS;
  return [
    [
      !env.DATABASE_URL,
      'DATABASE_URL',
      'is required in production: the embedded Postgres is for development only',
    ],
    [!env.SECRET, 'SECRET', 'is required in production: a generated secret is for development only'],
    [
      defaultProviderOf(env) === 'inbox',
      'MESSAGE_SENDER',
      'must be twilio or http in production, because the inbox shows every code without a sign-in: set TWILIO_ACCOUNT_SID or HTTP_SENDER_URL, which chooses it',
    ],
    [
      Boolean(env.TEST_PHONE_NUMBERS) && isFarOff,
      'TEST_PHONE_NUMBERS_UNTIL',
      'is required in production, and must not be more than 90 days ahead',
    ],
  ];
}

function secretChecks(env: Environment): Check[] {
  return [
    [
      Boolean(env.SECRET_PREVIOUS) && !env.SECRET,
      'SECRET_PREVIOUS',
      'requires SECRET, the secret that replaces it: set both, or SECRET only',
    ],
  ];
}

/** An invalid duration compares as false: its own rule reports it. */
function sessionChecks({ TOKEN_TTL, REFRESH_TTL, SESSION_MAX_AGE, RECYCLED_AFTER }: Environment): Check[] {
  const [tokenMs, refreshMs, maxAgeMs, recycledMs] = [
    TOKEN_TTL,
    REFRESH_TTL,
    SESSION_MAX_AGE,
    RECYCLED_AFTER,
  ].map((text) => parseDurationMs(text ?? '') ?? Number.NaN) as [number, number, number, number];
  return [
    [refreshMs < tokenMs, 'REFRESH_TTL', 'must be at least TOKEN_TTL'],
    [
      maxAgeMs < tokenMs || maxAgeMs < refreshMs,
      'SESSION_MAX_AGE',
      'must be at least REFRESH_TTL and TOKEN_TTL',
    ],
    [
      recycledMs < refreshMs || recycledMs < tokenMs,
      'RECYCLED_AFTER',
      'must be at least REFRESH_TTL and TOKEN_TTL: a session that is still valid must not lose its number',
    ],
  ];
}

function smsChecks(env: Environment): Check[] {
  const builtIn = `${LOCALE_TAGS.join(', ')}: other languages need MESSAGES_FILE`;
  return [
    [lacksDefault(env), 'DEFAULT_LOCALE', 'must be one of LOCALES: add it there, or choose another'],
    [lacksTexts(env, env.DEFAULT_LOCALE), 'DEFAULT_LOCALE', `must be one of ${builtIn}`],
    [lacksTexts(env, env.LOCALES), 'LOCALES', `must be one or more of ${builtIn}`],
    [
      env.BACKGROUND === 'off' && defaultProviderOf(env) === 'inbox',
      'BACKGROUND',
      'must be on with the inbox, which keeps its messages in the memory of this process',
    ],
    [
      Number(env.WORKERS) > 1 && defaultProviderOf(env) === 'inbox',
      'WORKERS',
      'must be 1 or auto with the inbox, which keeps its messages in the memory of one process',
    ],
  ];
}

function lacksDefault({ DEFAULT_LOCALE: locale, LOCALES: locales }: Environment): boolean {
  return locale !== undefined && locales !== undefined && !locales.split(/ *, */).includes(locale);
}

/** The languages of a file are compared when it has been read. */
function lacksTexts({ MESSAGES_FILE }: Environment, locales: string | undefined): boolean {
  if (MESSAGES_FILE !== undefined || locales === undefined) return false;
  const tags = parseList(locales);
  return tags.every(isLocaleTag) && !tags.every(isLocale);
}

function twilioChecks(env: Environment): Check[] {
  const twilio = usesTwilio(env);
  const hasCredentials = Boolean(env.TWILIO_AUTH_TOKEN || env.TWILIO_API_KEY);
  const hasSender = Boolean(env.TWILIO_FROM || env.TWILIO_MESSAGING_SERVICE_SID);
  const isSandbox = env.NODE_ENV !== 'production' && env.TWILIO_WHATSAPP_FROM === WHATSAPP_SANDBOX;
  const needsTemplate = Boolean(env.TWILIO_WHATSAPP_FROM) && !isSandbox;
  return [
    [twilio && !env.TWILIO_ACCOUNT_SID, 'TWILIO_ACCOUNT_SID', 'is required to send through Twilio'],
    [twilio && !hasCredentials, 'TWILIO_AUTH_TOKEN', 'or TWILIO_API_KEY is required to send through Twilio'],
    [
      twilio && !hasSender,
      'TWILIO_FROM',
      'or TWILIO_MESSAGING_SERVICE_SID is required to send through Twilio',
    ],
    [
      Boolean(env.TWILIO_API_KEY) !== Boolean(env.TWILIO_API_SECRET),
      'TWILIO_API_KEY',
      'and TWILIO_API_SECRET belong together: set both or neither',
    ],
    [
      twilio && needsTemplate && !env.TWILIO_WHATSAPP_CONTENT_SID,
      'TWILIO_WHATSAPP_CONTENT_SID',
      'is required with TWILIO_WHATSAPP_FROM: WhatsApp delivers codes by an approved template only',
    ],
  ];
}

/** Rejects a request without the message in it, and a JSON body that is not JSON: every send would fail. */
function httpChecks(env: Environment): Check[] {
  if (!env.HTTP_SENDER_URL) {
    const isMissing = defaultProviderOf(env) === 'http';
    return [[isMissing, 'HTTP_SENDER_URL', 'is required to send through an HTTP gateway']];
  }
  const isGet = env.HTTP_SENDER_METHOD === 'GET';
  return [
    [
      isGet && !env.HTTP_SENDER_URL.includes('{{'),
      'HTTP_SENDER_URL',
      'needs placeholders such as {{to}} when HTTP_SENDER_METHOD is GET',
    ],
    [
      !isGet && sendsJson(env) && !isJson(env.HTTP_SENDER_BODY.replace(/\{\{\w+\}\}/g, '1')),
      'HTTP_SENDER_BODY',
      'must be JSON once its placeholders are filled in, unless HTTP_SENDER_HEADERS sets another Content-Type',
    ],
  ];
}

/** Headers that break their own rule have no content type to go by. */
function sendsJson({ HTTP_SENDER_HEADERS: headers }: Environment): boolean {
  if (!isHeaders(headers)) return false;
  const type = new Headers(JSON.parse(headers ?? '{}')).get('content-type');
  return type === null || /[/+]json\b/.test(type);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Every route needs a provider that carries its channel. */
function fallbackChecks(env: Environment): Check[] {
  const providers = providersOf(env);
  const unserved = parseFallback(env.FALLBACK ?? '')?.routes.find(({ channel, provider }) => {
    return !providers.some(({ name, channels }) => channels.includes(channel) && (provider ?? name) === name);
  });
  return unserved ? [[true, 'FALLBACK', unservedRule(unserved)]] : [];
}

/** A receiver cannot trust an event that is not signed. */
function webhookChecks({ WEBHOOK_URL: url, WEBHOOK_SECRET: secret }: Environment): Check[] {
  return [
    [Boolean(url) && !secret, 'WEBHOOK_SECRET', 'is required with WEBHOOK_URL: it signs the webhooks'],
    [Boolean(secret) && !url, 'WEBHOOK_URL', 'is required with WEBHOOK_SECRET'],
  ];
}

function unservedRule({ channel, provider }: FallbackRoute): string {
  const variables = {
    sms: 'the variables of a provider that carries it',
    whatsapp: 'TWILIO_WHATSAPP_FROM',
    call: 'TWILIO_CALL_FROM',
  };
  const missing = provider === 'http' ? 'HTTP_SENDER_URL and HTTP_SENDER_CHANNELS' : variables[channel];
  const route = provider ? `${channel}:${provider}` : channel;
  return `names ${route}, which no configured provider carries: remove it, or set ${missing}`;
}
