import type { CountryCode } from 'libphonenumber-js';
import type { FallbackConfig } from './fallback.js';
import type { LimitName, Rate } from './limits.js';
import type { Channel, ProviderName } from './route.js';

export interface TwilioConfig {
  readonly accountSid: string;
  /** The account SID, or the SID of an API key. */
  readonly username: string;
  /** The auth token, or the secret of the API key. */
  readonly password: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** Null: no WhatsApp. Only Twilio's sandbox, in development, has no `contentSid`. */
  readonly whatsapp: { readonly from: string; readonly contentSid: string | null } | null;
  /** The number that calls come from. Null: no calls. */
  readonly callFrom: string | null;
  /** True: report used codes to Twilio. */
  readonly feedback: boolean;
  /** The auth tokens that may sign status callbacks. Empty: none can be verified, so none are requested. */
  readonly signingTokens: readonly string[];
  /** Null: Twilio's own API. */
  readonly apiUrl: string | null;
}

/** A provider or gateway that is called over HTTP. Texts with placeholders are Mustache templates. */
export interface HttpProviderConfig {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** A regular expression. Null: any 2xx is a success. */
  readonly success: string | null;
  readonly channels: readonly Channel[];
  readonly allowPrivate: boolean;
}

/** The receiver of webhooks. */
export interface WebhookConfig {
  readonly url: string;
  /** One, or two during a rotation. */
  readonly secrets: readonly string[];
  readonly allowPrivate: boolean;
  /** True: events have whole phone numbers. */
  readonly numbers: boolean;
  /** The waits between the tries of one event. */
  readonly retryWaitsMs: readonly number[];
}

/** The environment variables, checked and typed. Durations are in milliseconds. */
export abstract class AppConfig {
  abstract readonly production: boolean;
  abstract readonly host: string;
  abstract readonly port: number;
  /** Without a trailing slash. Null: `http://localhost:{port}`. */
  abstract readonly publicUrl: string | null;
  /** The origins of pages that may call this server, as `originMatcher` reads them; and whether their requests may have cookies. */
  abstract readonly allowedOrigins: { readonly patterns: readonly string[]; readonly credentials: boolean };
  abstract readonly dataDir: string;
  /** Null: the embedded Postgres. */
  abstract readonly databaseUrl: string | null;
  /** Null: the schema that an installation is in, or one for a new installation. */
  abstract readonly databaseSchema: string | null;
  /** The most connections to Postgres, all pools together. */
  abstract readonly databasePoolSize: number;
  /** The longest wait for a connection to Postgres, and for a statement. */
  abstract readonly databaseTimeoutMs: number;
  /** Null: Postgres stores everything. */
  abstract readonly redisUrl: string | null;
  /** Null: one is generated and kept under `dataDir`. */
  abstract readonly secret: string | null;
  abstract readonly secretPrevious: string | null;
  /** The default message provider. */
  abstract readonly provider: ProviderName;
  /** Null: Twilio is not used. */
  abstract readonly twilio: TwilioConfig | null;
  /** Null: the HTTP provider is not used. */
  abstract readonly httpProvider: HttpProviderConfig | null;
  /** Null: no fallback. */
  abstract readonly fallback: FallbackConfig | null;
  abstract readonly brand: string;
  /** The website and the Android apps that may fill in a code, by the last line of its SMS. */
  abstract readonly autofill: { readonly origin: string | null; readonly appHashes: readonly string[] };
  /** Codes by phone number, and when they expire (milliseconds since 1970; null: never). */
  abstract readonly testNumbers: {
    readonly codes: Readonly<Record<string, string>>;
    readonly until: number | null;
  };
  abstract readonly defaultRegion: CountryCode | null;
  /** Prefixes of international numbers. */
  abstract readonly newNumberRanges: readonly string[];
  /** The languages of messages. Not empty. Null: all that there are texts in. */
  abstract readonly locales: readonly string[] | null;
  /** Null: the language of the number's country. */
  abstract readonly defaultLocale: string | null;
  /** Null: the built-in texts. */
  abstract readonly messagesFile: string | null;
  abstract readonly otp: { readonly ttlMs: number; readonly length: number; readonly maxAttempts: number };
  abstract readonly sessions: {
    /** Lifetime of a token. */
    readonly ttlMs: number;
    /** A session ends when it is not refreshed for this time. */
    readonly refreshTtlMs: number;
    /** A session ends this long after its sign-in. */
    readonly maxAgeMs: number;
    /** For this time a used refresh token may be used again. */
    readonly reuseWindowMs: number;
    /** The number of an account that was not used for this time proves who holds the number now, not who the user is. */
    readonly recycledAfterMs: number;
    readonly recycledNumbers: 'new_account' | 'refuse';
  };
  /** True: browsers also get their token as a cookie, which authenticates them. */
  abstract readonly sessionCookie: boolean;
  /** True: `/signup` and `/protected` have numbers as ids of users. */
  abstract readonly signUpNumericIds: boolean;
  /** True: reverse proxies get the phone number of the user. */
  abstract readonly forwardPhone: boolean;
  /** Security events are deleted after this time. */
  abstract readonly eventsKeptMs: number;
  /** Null: no webhooks. */
  abstract readonly webhooks: WebhookConfig | null;
  /** The audiences of signed tokens. Empty: the address of this server. */
  abstract readonly jwtAudiences: readonly string[];
  /** ISO 3166-1 alpha-2 codes, and calling codes such as `+870`. Null: all countries, and no numbers without one. */
  abstract readonly allowedCountries: readonly string[] | null;
  /** IP addresses and networks. */
  abstract readonly trustedProxies: readonly string[];
  abstract readonly keepAliveTimeoutMs: number;
  abstract readonly maxConnections: number;
  abstract readonly maxConnectionsPerAddress: number;
  abstract readonly limits: {
    readonly coolDownsMs: readonly number[];
    readonly sendsPerNumber: readonly Rate[];
    readonly sendsPerAddress: readonly Rate[];
    readonly checksPerAddress: readonly Rate[];
    /** The limits that record what they would refuse, but refuse nothing. */
    readonly monitored: readonly LimitName[];
  };
  abstract readonly breakerEnforced: boolean;
  /** True: development with the inbox, where limits on messages are recorded but not enforced, unless set. */
  abstract readonly trial: boolean;
  abstract readonly spendCaps: { readonly perDay: number; readonly perCountry: number };
  /** Null: the built-in prices. */
  abstract readonly pricesFile: string | null;
  /** Null: the built-in policy. */
  abstract readonly policyFile: string | null;
  /** Null: there are no routes for operators. */
  abstract readonly operatorToken: string | null;
  /** Null: no other service has credentials. */
  abstract readonly clientsFile: string | null;
  /** True: this process sends the messages it accepts. */
  abstract readonly background: boolean;
  /** The number of processes that serve the API. */
  abstract readonly workers: number;
  /** The separate port of the metrics. Null: the API serves them on its own port if it is one process, a worker none. */
  abstract readonly metricsPort: number | null;
  abstract readonly drainTimeoutMs: number;
  /** Between the signal and the end of new connections. */
  abstract readonly shutdownDelayMs: number;
  abstract readonly migrateOnStart: boolean;
  /** False: neither Swagger UI nor the OpenAPI document is served. */
  abstract readonly docs: boolean;
  abstract readonly logLevel: string;
  /** Valid settings that probably do not do what the operator wants, for the log. */
  abstract readonly warnings: readonly string[];
}
