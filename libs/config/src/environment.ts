import { Address, Country, Duration, Durations, Integer, Matching, OneOf, Secret } from './rules.js';

/**
 * The environment variables, each with its meaning, its rule and its default. This file is the source of
 * docs/configuration.md: the comment above a variable is what an operator reads there.
 */
export class Environment {
  /** `production` refuses every embedded or made-up default and says which ones, all at once. */
  @OneOf('development', 'test', 'production')
  NODE_ENV = 'development';

  /** The address to listen on. `0.0.0.0` in a container. */
  @Matching(/^[\w.:-]+$/, 'a host name or an IP address')
  HOST = '127.0.0.1';

  /** The port to listen on; `0` takes a free one. */
  @Integer({ min: 0, max: 65_535 })
  PORT = '4000';

  /** How clients reach this server. Problem types point there. Unset: `http://localhost:{PORT}`. */
  @Address('http:', 'https:')
  PUBLIC_URL?: string = undefined;

  /** The Postgres to use, 14 or newer. Unset: a Postgres of its own, kept under `DATA_DIR`. */
  @Address('postgres:', 'postgresql:')
  DATABASE_URL?: string = undefined;

  /** With it verifications, limits and the queue live in Redis, 6.2 or newer; without it Postgres does everything. */
  @Address('redis:', 'rediss:')
  REDIS_URL?: string = undefined;

  /**
   * What codes are derived from and phone numbers are sealed under. Keep a copy: without it the stored phone
   * numbers cannot be read again. Unset: made once and kept under `DATA_DIR`.
   */
  @Secret({ minBytes: 32 })
  SECRET?: string = undefined;

  /** The secret before this one, until every code made under it has expired (`OTP_TTL`). */
  @Secret({ minBytes: 32 })
  SECRET_PREVIOUS?: string = undefined;

  /** Who carries the messages. Unset: `twilio` if its variables are set, else `inbox`, a page at `/dev/inbox`. */
  @OneOf('twilio', 'inbox')
  MESSAGE_SENDER?: string = undefined;

  /** The Twilio account that pays for the messages. */
  @Matching(/^AC[0-9a-fA-F]{32}$/, 'AC and 32 hexadecimal digits')
  TWILIO_ACCOUNT_SID?: string = undefined;

  /** The account's auth token; or use an API key. */
  @Secret({ minBytes: 16 })
  TWILIO_AUTH_TOKEN?: string = undefined;

  /** The SID of a Twilio API key, instead of the auth token. */
  @Matching(/^SK[0-9a-fA-F]{32}$/, 'SK and 32 hexadecimal digits')
  TWILIO_API_KEY?: string = undefined;

  /** The secret of that API key. */
  @Secret({ minBytes: 16 })
  TWILIO_API_SECRET?: string = undefined;

  /** The sender: a phone number in E.164, a short code or an alphanumeric sender id. */
  @Matching(
    /^(\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 ]{1,11})$/,
    'a number in E.164, a short code, or 1 to 11 letters and digits',
  )
  TWILIO_FROM?: string = undefined;

  /** The messaging service that chooses the sender, instead of `TWILIO_FROM`. */
  @Matching(/^MG[0-9a-fA-F]{32}$/, 'MG and 32 hexadecimal digits')
  TWILIO_MESSAGING_SERVICE_SID?: string = undefined;

  /** Another base address of Twilio's API: a proxy, a regional edge, a test double. */
  @Address('http:', 'https:')
  TWILIO_API_URL?: string = undefined;

  /** The country that a phone number without `+` belongs to (ISO 3166-1 alpha-2). Unset: only `+…` is read. */
  @Country()
  DEFAULT_REGION?: string = undefined;

  /** How long a code can be typed in. NIST SP 800-63B-4 allows ten minutes at most. */
  @Duration({ min: '30s', max: '10m' })
  OTP_TTL = '5m';

  /** How many digits a code has. Six is the least that NIST SP 800-63B-4 allows. */
  @Integer({ min: 6, max: 10 })
  OTP_LENGTH = '6';

  /** How many codes may be tried on one verification. */
  @Integer({ min: 1, max: 10 })
  OTP_MAX_ATTEMPTS = '5';

  /** How long a bearer token is good for. */
  @Duration({ min: '1m', max: '365d' })
  TOKEN_TTL = '48h';

  /** The waits between messages to one number, one after another; the last one repeats. */
  @Durations({ min: '1s', max: '1h', most: 10 })
  LIMIT_COOL_DOWN = '30s,60s,120s,300s';

  /** `off`: this process only answers requests, and `npm run start:worker` sends. */
  @OneOf('on', 'off')
  BACKGROUND = 'on';

  /** How long a shutdown waits for requests and pending sends. What is not done by then stays queued. */
  @Duration({ min: '1s', max: '5m' })
  DRAIN_TIMEOUT = '10s';

  /** Where the embedded Postgres and a made-up secret live. */
  @Matching(/^[^\0]+$/, 'a path')
  DATA_DIR = '.data';

  /** Whether pending migrations are applied at start. Unset: `on`, but `off` in production. */
  @OneOf('on', 'off')
  MIGRATE_ON_START?: string = undefined;

  /** The least severe log lines to print. */
  @OneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
  LOG_LEVEL = 'info';
}
