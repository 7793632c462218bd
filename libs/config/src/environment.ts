import { LIMITS } from './limits.js';
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

/**
 * The environment variables with their defaults and rules. docs/configuration.md is generated from this class:
 * the comment above a variable is its description there.
 */
export class Environment {
  /**
   * `production` refuses to start with defaults for development: the embedded Postgres, a generated secret, the
   * inbox.
   */
  @OneOf('development', 'test', 'production')
  NODE_ENV = 'development';

  /** The address to listen on. Use `0.0.0.0` in a container. */
  @Matching(/^[\w.:-]+$/, 'a host name or an IP address')
  HOST = '127.0.0.1';

  /** The port to listen on. `0` picks a free one. */
  @Integer({ min: 0, max: 65_535 })
  PORT = '4000';

  /**
   * The URL that clients and providers reach this server at, such as `https://id.example.com`. Problem types and
   * Twilio's status callbacks use it. Default: `http://localhost:{PORT}`.
   */
  @Address('http:', 'https:')
  PUBLIC_URL?: string = undefined;

  /**
   * The Postgres database, version 14 or newer: `postgres://user:password@host/database`. Default: an embedded
   * Postgres with its data under `DATA_DIR`, for development only.
   */
  @Address('postgres:', 'postgresql:')
  DATABASE_URL?: string = undefined;

  /**
   * The Redis server, version 6.2 or newer, that stores verifications, limits and the task queue:
   * `redis://host:6379`. Default: all of this is stored in Postgres.
   */
  @Address('redis:', 'rediss:')
  REDIS_URL?: string = undefined;

  /**
   * The master secret. Codes are derived from it, and it encrypts the key that encrypts phone numbers. Keep a
   * copy: without it stored phone numbers cannot be decrypted. Create one with `openssl rand -base64 32`.
   * Default: one is generated and kept under `DATA_DIR`, for development only.
   */
  @Secret({ minBytes: 32 })
  SECRET?: string = undefined;

  /** The secret that `SECRET` replaces. Keep it set until every code made under it has expired (`OTP_TTL`). */
  @Secret({ minBytes: 32 })
  SECRET_PREVIOUS?: string = undefined;

  /**
   * The default message provider: Twilio, an HTTP gateway, or the inbox, which shows messages at `/dev/inbox`
   * instead of sending them. Default: `twilio` if its variables are set, else `http` if `HTTP_SENDER_URL` is
   * set, else `inbox`.
   */
  @OneOf('twilio', 'http', 'inbox')
  MESSAGE_SENDER?: string = undefined;

  /**
   * Fallback routes, in order, for codes that are not delivered. A route is a channel (`sms`, `whatsapp` or
   * `call`), optionally with a provider (`sms:http`); `@` sets the wait for a delivery report, 20 s by default.
   * Example: `sms>whatsapp>call@20s`. A failed or unreported message is sent again by the next route, at most
   * once per verification. Default: no fallback.
   */
  @Fallback()
  FALLBACK?: string = undefined;

  /** The product name used in messages. */
  @Matching(/^[^\p{Cc}{}<>]{1,32}$/u, '1 to 32 characters without < > { } and control characters')
  BRAND = 'Latchkey';

  /**
   * The host of the website that asks for codes. Each SMS then ends with `@host #code`, so that browsers can
   * fill the code in.
   */
  @Host()
  SMS_ORIGIN?: string = undefined;

  /**
   * The SMS Retriever hash of the Android app that asks for codes. Each SMS then ends with it, so that the app
   * can read the code. Excludes `SMS_ORIGIN`.
   */
  @Matching(/^[A-Za-z0-9+/]{11}$/, '11 Base64 characters')
  SMS_APP_HASH?: string = undefined;

  /**
   * Phone numbers with a fixed code of 6 to 9 digits, for app-store reviews and CI. No message is sent to them.
   * Example: `+15005550006=123456`.
   */
  @TestNumbers()
  TEST_PHONE_NUMBERS?: string = undefined;

  /**
   * The end of the test numbers (RFC 3339 date, or date and time); from then on they are ordinary numbers.
   * Required in production, at most 90 days ahead. Default: no end.
   */
  @DateOf()
  TEST_PHONE_NUMBERS_UNTIL?: string = undefined;

  /** The Twilio account that sends the messages. */
  @Matching(/^AC[0-9a-fA-F]{32}$/, 'AC followed by 32 hexadecimal digits')
  TWILIO_ACCOUNT_SID?: string = undefined;

  /**
   * The auth token of the account. It also verifies status callbacks, so set it even when an API key is used:
   * without it there are no delivery reports.
   */
  @Secret({ minBytes: 16 })
  TWILIO_AUTH_TOKEN?: string = undefined;

  /**
   * The secondary auth token of the account, for rotating the auth token. Status callbacks signed with either
   * token are accepted.
   */
  @Secret({ minBytes: 16 })
  TWILIO_AUTH_TOKEN_SECONDARY?: string = undefined;

  /** The SID of a Twilio API key. Requests to Twilio then use it instead of the auth token. */
  @Matching(/^SK[0-9a-fA-F]{32}$/, 'SK followed by 32 hexadecimal digits')
  TWILIO_API_KEY?: string = undefined;

  /** The secret of the API key. */
  @Secret({ minBytes: 16 })
  TWILIO_API_SECRET?: string = undefined;

  /** The sender of SMS: a phone number in E.164 form, a short code or an alphanumeric sender ID. */
  @Matching(
    /^(\+[1-9]\d{6,14}|\d{3,8}|[A-Za-z0-9 ]{1,11})$/,
    'a phone number such as +14155550100, a short code, or 1 to 11 letters and digits',
  )
  TWILIO_FROM?: string = undefined;

  /** The Twilio messaging service that chooses the sender. Use it instead of `TWILIO_FROM`. */
  @Matching(/^MG[0-9a-fA-F]{32}$/, 'MG followed by 32 hexadecimal digits')
  TWILIO_MESSAGING_SERVICE_SID?: string = undefined;

  /** The phone number that WhatsApp messages come from. Default: no `whatsapp` channel. */
  @Matching(/^\+[1-9]\d{6,14}$/, 'a phone number such as +14155550100')
  TWILIO_WHATSAPP_FROM?: string = undefined;

  /**
   * The Content SID of the WhatsApp authentication template. Its `{{1}}` is the code. Without a template
   * WhatsApp only reaches users who wrote to the number within 24 hours.
   */
  @Matching(/^HX[0-9a-fA-F]{32}$/, 'HX followed by 32 hexadecimal digits')
  TWILIO_WHATSAPP_CONTENT_SID?: string = undefined;

  /** The phone number that voice calls come from. Default: no `call` channel. */
  @Matching(/^\+[1-9]\d{6,14}$/, 'a phone number such as +14155550100')
  TWILIO_CALL_FROM?: string = undefined;

  /** `on` reports to Twilio which SMS led to a verified code. Twilio uses this to improve its routing. */
  @OneOf('on', 'off')
  TWILIO_FEEDBACK = 'off';

  /** The base URL of Twilio's API, for a proxy, a regional edge or a test double. Default: Twilio's own. */
  @Address('http:', 'https:')
  TWILIO_API_URL?: string = undefined;

  /**
   * The URL of the HTTP gateway that messages are sent to. Placeholders are allowed after the host and are
   * encoded for their place: `{{to}}` (E.164), `{{msisdn}}` (without `+`), `{{body}}`, `{{code}}`,
   * `{{channel}}`, `{{locale}}`, `{{reference}}` and `{{validForSeconds}}`. Example:
   * `https://sms.example/send?to={{to}}&text={{body}}`.
   */
  @UrlTemplate()
  HTTP_SENDER_URL?: string = undefined;

  /** The HTTP method of the request to the gateway. */
  @OneOf('POST', 'PUT', 'GET')
  HTTP_SENDER_METHOD = 'POST';

  /** The request headers as a JSON object, without placeholders. Example: `{"Authorization": "Bearer …"}`. */
  @HeadersObject()
  HTTP_SENDER_HEADERS?: string = undefined;

  /**
   * The request body, with the same placeholders as `HTTP_SENDER_URL`. It is JSON unless `HTTP_SENDER_HEADERS`
   * sets another `Content-Type`. Not sent with `GET`.
   */
  @Template()
  HTTP_SENDER_BODY = '{"to": "{{to}}", "text": "{{body}}"}';

  /**
   * A regular expression that the body of a 2xx response must match to count as sent. Example:
   * `"status":\s*"sent"`. Default: every 2xx response counts.
   */
  @Pattern()
  HTTP_SENDER_SUCCESS?: string = undefined;

  /** The channels that the gateway carries, separated by commas. */
  @Matching(
    /^(sms|whatsapp|call)(,(sms|whatsapp|call))*$/,
    'one or more of sms, whatsapp, call, separated by commas',
  )
  HTTP_SENDER_CHANNELS = 'sms';

  /** `on` allows a gateway with a private, loopback or link-local address, such as one in your own network. */
  @OneOf('on', 'off')
  HTTP_SENDER_ALLOW_PRIVATE = 'off';

  /**
   * The country (ISO 3166-1 alpha-2) of phone numbers without a country code. Default: only numbers that start
   * with `+` are accepted.
   */
  @Country()
  DEFAULT_REGION?: string = undefined;

  /** The lifetime of a code. NIST SP 800-63B-4 allows at most 10 minutes. */
  @Duration({ min: '30s', max: '10m' })
  OTP_TTL = '5m';

  /**
   * The number of digits in a code; `10` makes ten letters and digits. Unknown devices get longer
   * codes for phone numbers under attack. NIST SP 800-63B-4 requires at least 6.
   */
  @Integer({ min: 6, max: 10 })
  OTP_LENGTH = '6';

  /** The number of attempts to enter the code of one verification. */
  @Integer({ min: 1, max: 10 })
  OTP_MAX_ATTEMPTS = '5';

  /** The lifetime of a bearer token. */
  @Duration({ min: '1m', max: '365d' })
  TOKEN_TTL = '48h';

  /** The countries that messages are sent to, separated by commas: `US,CA`. Default: all countries. */
  @Countries()
  ALLOWED_COUNTRIES?: string = undefined;

  /**
   * The proxies in front of this server, separated by commas. `X-Forwarded-For` is read from right to left and
   * believed only for these. Default: none; the header is ignored.
   */
  @Networks()
  TRUSTED_PROXIES?: string = undefined;

  /** The waits between messages to one phone number, in order. The last one repeats. */
  @Durations({ min: '1s', max: '1h', most: 10 })
  LIMIT_COOL_DOWN = '30s,60s,120s,300s';

  /** The rate limits on messages to one phone number: `5/10m` is five in ten minutes. All rates apply. */
  @Rates()
  LIMIT_SENDS_PER_NUMBER = '5/10m,10/24h';

  /** The rate limits on messages requested from one IPv4 address or IPv6 /64 network. */
  @Rates()
  LIMIT_SENDS_PER_ADDRESS = '30/10m';

  /** The rate limits on codes entered from one IPv4 address or IPv6 /64 network. */
  @Rates()
  LIMIT_CHECKS_PER_ADDRESS = '60/10m';

  /**
   * `monitor` records the requests that the rate limits would refuse, and does not refuse them. A list of names, such
   * as `cool_down,sends_per_address`, monitors only those limits and enforces the others. The yearly budget of guesses
   * at codes of fewer than eight digits is always enforced.
   */
  @ModeOf(['enforce', 'monitor'], LIMITS)
  LIMIT_MODE = 'enforce';

  /**
   * The mode of the SMS pumping breaker, which blocks messages where too few codes are verified. `monitor`
   * records what it would block, and blocks nothing.
   */
  @OneOf('enforce', 'monitor')
  BREAKER_MODE = 'enforce';

  /**
   * The most to spend on messages per day (UTC), estimated from the price table, in its currency: US dollars by
   * default.
   */
  @Money()
  SPEND_CAP_PER_DAY = '1000';

  /** The most to spend on messages to one country per day (UTC), in the same currency. */
  @Money()
  SPEND_CAP_PER_COUNTRY = '500';

  /**
   * A JSON file with the prices of your provider, which replace the built-in estimates: `{"default": 0.35,
   * "countries": {"US": 0.0083}}`.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  PRICES_FILE?: string = undefined;

  /**
   * A JSON file that replaces numbers of the abuse policy (`docs/abuse.md`). Try it with `npm run simulate`
   * first.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  POLICY_FILE?: string = undefined;

  /** The bearer token for the operator routes. Default: `/v1/operations` is disabled. */
  @Matching(
    /^[\w.~+/-]{16,}=*$/,
    '16 or more of the characters A–Z a–z 0–9 - . _ ~ + /, optionally followed by =',
  )
  OPERATOR_TOKEN?: string = undefined;

  /** `off` makes this process serve requests only; messages are then sent by workers (`npm run start:worker`). */
  @OneOf('on', 'off')
  BACKGROUND = 'on';

  /**
   * The port on which a worker serves `/metrics`. The API serves its own at `PORT`. Default: a worker serves
   * none.
   */
  @Integer({ min: 0, max: 65_535 })
  METRICS_PORT?: string = undefined;

  /**
   * The longest that a shutdown waits for pending sends, after the requests in progress have finished. Unfinished
   * sends stay queued.
   */
  @Duration({ min: '1s', max: '5m' })
  DRAIN_TIMEOUT = '10s';

  /** The folder of the embedded Postgres and the generated secret. */
  @Matching(/^[^\0]+$/, 'a folder path')
  DATA_DIR = '.data';

  /** `on` applies pending database migrations at start. Default: `on`, but `off` in production. */
  @OneOf('on', 'off')
  MIGRATE_ON_START?: string = undefined;

  /** The least severe level to log. */
  @OneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
  LOG_LEVEL = 'info';
}
