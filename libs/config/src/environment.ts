import {
  Address,
  Countries,
  Country,
  DateOf,
  Duration,
  Durations,
  Fallback,
  HeadersObject,
  Host,
  Integer,
  Matching,
  ModeOf,
  Money,
  Networks,
  OneOf,
  Pattern,
  Rates,
  Secret,
  Template,
  TestNumbers,
  UrlTemplate,
} from './rules.js';

/** The limits by name. */
export const LIMITS = [
  'cool_down',
  'sends_per_number',
  'sends_per_address',
  'checks_per_address',
  'guesses_per_number',
] as const;

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

  /**
   * Who carries the messages, unless `FALLBACK` says otherwise. Unset: `twilio` if its variables are set, else `http`
   * if `HTTP_SENDER_URL` is, else `inbox`, a page at `/dev/inbox`.
   */
  @OneOf('twilio', 'http', 'inbox')
  MESSAGE_SENDER?: string = undefined;

  /**
   * Where a code goes that did not arrive: channels from the first to the last, each with a sender if not the usual
   * one (`sms>sms:http`), and how long to wait for word of it, 5 s to 5 min (`sms>whatsapp>call@20s`; unsaid: 20 s). Once
   * for each verification, so a third one is for codes that began by the second. Unset: nowhere.
   */
  @Fallback()
  FALLBACK?: string = undefined;

  /** What messages call you. */
  @Matching(/^[^\p{Cc}{}<>]{1,32}$/u, '1 to 32 characters, none of them < > { }')
  BRAND = 'Latchkey';

  /** The host of the site that asks for codes: the last line of an SMS is `@host #code` then, and browsers fill it in. */
  @Host()
  SMS_ORIGIN?: string = undefined;

  /** The hash of the Android app that asks for codes: it is the last line of an SMS then, and the app may read it. Not beside `SMS_ORIGIN`. */
  @Matching(/^[A-Za-z0-9+/]{11}$/, '11 characters of Base64')
  SMS_APP_HASH?: string = undefined;

  /** Numbers with a code of their own, 6 to 9 digits, that get no message, for app-store reviews and CI: `+15005550006=123456`. */
  @TestNumbers()
  TEST_PHONE_NUMBERS?: string = undefined;

  /** Until when they are test numbers (RFC 3339 date or date and time). Needed in production: at most 90 days ahead. */
  @DateOf()
  TEST_PHONE_NUMBERS_UNTIL?: string = undefined;

  /** The Twilio account that pays for the messages. */
  @Matching(/^AC[0-9a-fA-F]{32}$/, 'AC and 32 hexadecimal digits')
  TWILIO_ACCOUNT_SID?: string = undefined;

  /** The account's auth token; or use an API key. */
  @Secret({ minBytes: 16 })
  TWILIO_AUTH_TOKEN?: string = undefined;

  /** The account's other auth token while one replaces the other: status callbacks signed with either are taken. */
  @Secret({ minBytes: 16 })
  TWILIO_AUTH_TOKEN_SECONDARY?: string = undefined;

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

  /** The number that WhatsApp messages come from (E.164). Unset: no `whatsapp`. */
  @Matching(/^\+[1-9]\d{6,14}$/, 'a number in E.164')
  TWILIO_WHATSAPP_FROM?: string = undefined;

  /** The authentication template (Content SID) that WhatsApp messages are made of, its `{{1}}` the code. WhatsApp asks for one. */
  @Matching(/^HX[0-9a-fA-F]{32}$/, 'HX and 32 hexadecimal digits')
  TWILIO_WHATSAPP_CONTENT_SID?: string = undefined;

  /** The number that calls come from (E.164). Unset: no `call`. */
  @Matching(/^\+[1-9]\d{6,14}$/, 'a number in E.164')
  TWILIO_CALL_FROM?: string = undefined;

  /** `on`: Twilio is told which codes were typed in, which makes its routes better. */
  @OneOf('on', 'off')
  TWILIO_FEEDBACK = 'off';

  /** Another base address of Twilio's API: a proxy, a regional edge, a test double. */
  @Address('http:', 'https:')
  TWILIO_API_URL?: string = undefined;

  /**
   * The address of another provider's or a gateway's API. `{{to}}` (E.164), `{{msisdn}}` (without `+`), `{{body}}`,
   * `{{code}}`, `{{channel}}`, `{{locale}}`, `{{reference}}` and `{{validForSeconds}}` stand for the message, encoded as
   * the place asks, but not in the host.
   */
  @UrlTemplate()
  HTTP_SENDER_URL?: string = undefined;

  /** The method of the request. */
  @OneOf('POST', 'PUT', 'GET')
  HTTP_SENDER_METHOD = 'POST';

  /** Its headers, as a JSON object, without placeholders: `{"Authorization": "Bearer …"}`. */
  @HeadersObject()
  HTTP_SENDER_HEADERS?: string = undefined;

  /** Its body, encoded as `Content-Type` says (JSON unless a header says otherwise). Not sent with `GET`. */
  @Template()
  HTTP_SENDER_BODY = '{"to": "{{to}}", "text": "{{body}}"}';

  /** A regular expression that the body of a 2xx answer must match. Unset: 2xx is enough. */
  @Pattern()
  HTTP_SENDER_SUCCESS?: string = undefined;

  /** The channels that it carries, with commas. */
  @Matching(/^(sms|whatsapp|call)(,(sms|whatsapp|call))*$/, 'one or more of sms, whatsapp, call, with commas')
  HTTP_SENDER_CHANNELS = 'sms';

  /** `on`: it may have a private address, such as a gateway in your own network. */
  @OneOf('on', 'off')
  HTTP_SENDER_ALLOW_PRIVATE = 'off';

  /** The country that a phone number without `+` belongs to (ISO 3166-1 alpha-2). Unset: only `+…` is read. */
  @Country()
  DEFAULT_REGION?: string = undefined;

  /** How long a code can be typed in. NIST SP 800-63B-4 allows ten minutes at most. */
  @Duration({ min: '30s', max: '10m' })
  OTP_TTL = '5m';

  /** How many digits a code has where nobody guesses; 10 makes letters and digits. Six is the least that NIST SP 800-63B-4 allows. */
  @Integer({ min: 6, max: 10 })
  OTP_LENGTH = '6';

  /** How many codes may be tried on one verification. */
  @Integer({ min: 1, max: 10 })
  OTP_MAX_ATTEMPTS = '5';

  /** How long a bearer token is good for. */
  @Duration({ min: '1m', max: '365d' })
  TOKEN_TTL = '48h';

  /** The countries that messages are sent to, with commas. Unset: all. */
  @Countries()
  ALLOWED_COUNTRIES?: string = undefined;

  /** The proxies in front of this server. `X-Forwarded-For` counts only from these, read from right to left. */
  @Networks()
  TRUSTED_PROXIES?: string = undefined;

  /** The waits between messages to one number, one after another; the last one repeats. */
  @Durations({ min: '1s', max: '1h', most: 10 })
  LIMIT_COOL_DOWN = '30s,60s,120s,300s';

  /** How many messages a number is sent. */
  @Rates()
  LIMIT_SENDS_PER_NUMBER = '5/10m,10/24h';

  /** How many messages an IPv4 address or an IPv6 /64 may ask for. */
  @Rates()
  LIMIT_SENDS_PER_ADDRESS = '30/10m';

  /** How many codes an IPv4 address or an IPv6 /64 may try. */
  @Rates()
  LIMIT_CHECKS_PER_ADDRESS = '60/10m';

  /** `monitor`: limits record what they would have refused and refuse nothing. Or the names of those that only monitor. */
  @ModeOf(['enforce', 'monitor'], LIMITS)
  LIMIT_MODE = 'enforce';

  /** The same for the breaker that stops messages which nobody answers. */
  @OneOf('enforce', 'monitor')
  BREAKER_MODE = 'enforce';

  /** What may be spent on messages in a day (UTC), by the price table; in its unit, US dollars. */
  @Money()
  SPEND_CAP_PER_DAY = '1000';

  /** What may be spent on messages to one country in a day (UTC). */
  @Money()
  SPEND_CAP_PER_COUNTRY = '500';

  /** A JSON file with your provider's prices, `{"default": 0.35, "countries": {"US": 0.0083}}`, over the estimates that come with the server. */
  @Matching(/^[^\0]+$/, 'a path')
  PRICES_FILE?: string = undefined;

  /** A JSON file whose members replace numbers of the abuse policy; try it out with `npm run simulate` first. */
  @Matching(/^[^\0]+$/, 'a path')
  POLICY_FILE?: string = undefined;

  /** The bearer token of operators. Unset: `/v1/operations` is not there. */
  @Matching(/^[\w.~+/-]{16,}=*$/, 'at least 16 of A–Z a–z 0–9 - . _ ~ + /')
  OPERATOR_TOKEN?: string = undefined;

  /** `off`: this process only answers requests, and `npm run start:worker` sends. */
  @OneOf('on', 'off')
  BACKGROUND = 'on';

  /** Where a worker serves `/metrics`, which tells what became of its messages. Unset: nowhere. The API has its own. */
  @Integer({ min: 0, max: 65_535 })
  METRICS_PORT?: string = undefined;

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
