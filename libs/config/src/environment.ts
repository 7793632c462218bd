import { LIMITS } from './limits.js';
import { CHANNELS } from './route.js';
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
  IntegerOr,
  Locale,
  Locales,
  Matching,
  ModeOf,
  Money,
  MoneyOrShare,
  Networks,
  NumberPrefixes,
  OneOf,
  Origins,
  Pattern,
  Rates,
  SchemaName,
  Secret,
  SomeOf,
  Template,
  TestNumbers,
  UrlTemplate,
  WebhookSecrets,
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
   * Twilio's status callbacks use it, and the inbox answers to its host. Default: `http://localhost:{PORT}`.
   */
  @Address('http:', 'https:')
  PUBLIC_URL?: string = undefined;

  /**
   * The origins of pages that may call this server (CORS), separated by commas: `https://app.example.com`, or
   * `https://*.example.com` for every subdomain. Their requests may have cookies. Default: none; in development every port of
   * `http://localhost` and `http://127.0.0.1`, without cookies.
   */
  @Origins()
  ALLOWED_ORIGINS?: string = undefined;

  /**
   * The Postgres database, version 14 or newer: `postgres://user:password@host/database`. Default: an embedded
   * Postgres with its data under `DATA_DIR`, for development only.
   */
  @Address('postgres:', 'postgresql:')
  DATABASE_URL?: string = undefined;

  /**
   * The schema of Latchkey's tables. Default: the schema they are in. In a new database: the first schema of the role's
   * `search_path` if it is empty and not `public`, else `latchkey`.
   */
  @SchemaName()
  DATABASE_SCHEMA?: string = undefined;

  /**
   * The most connections to Postgres of this process, all pools together. The sum over all processes must fit the
   * limits of the server, of the role and of a pooler in front of it.
   */
  @Integer({ min: 4, max: 1_000 })
  DATABASE_POOL_SIZE = '20';

  /**
   * The longest that a request waits for a connection to Postgres, and for one statement. Then it is answered with 503. Keep
   * it shorter than the timeouts of clients and proxies.
   */
  @Duration({ min: '500ms', max: '1m', example: '1500ms' })
  DATABASE_TIMEOUT = '1500ms';

  /**
   * The Redis server, version 6.2 or newer, that stores verifications and the task queue: `redis://host:6379`. Default: both are
   * stored in Postgres.
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
   * The language of messages to users whose request names none that is available. Default: the main language of the
   * number's country if messages are written in it, else English, or the first of `LOCALES` if that lacks English.
   */
  @Locale()
  DEFAULT_LOCALE?: string = undefined;

  /** The languages that messages are written in, separated by commas: `en,fr`. Default: all. */
  @Locales()
  LOCALES?: string = undefined;

  /**
   * A JSON file with texts of your own, over the built-in ones (`docs/messages.md`): `{"locales": {"en": {"sms": "{code} is your
   * {brand} code."}}, "countries": {"IN": {"en": {"sms": "…"}}}}`.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  MESSAGES_FILE?: string = undefined;

  /**
   * The host of the website that asks for codes. An SMS then ends with `@host #code`, so that browsers can fill
   * the code in, unless its request names an app.
   */
  @Host()
  SMS_ORIGIN?: string = undefined;

  /**
   * The SMS Retriever hash of the Android app that asks for codes: the first of `SMS_APP_HASHES`, for a server with
   * one app.
   */
  @Matching(/^[A-Za-z0-9+/]{11}$/, '11 Base64 characters')
  SMS_APP_HASH?: string = undefined;

  /**
   * The SMS Retriever hashes of the Android apps that ask for codes, separated by commas. An SMS ends with the hash
   * that its request names as `app_hash`, so that the app can read the code. Without one it ends with the line of
   * `SMS_ORIGIN` or, if that is unset, with the first hash.
   */
  @Matching(
    /^[A-Za-z0-9+/]{11}(\s*,\s*[A-Za-z0-9+/]{11})*$/,
    'one or more hashes of 11 Base64 characters, separated by commas',
  )
  SMS_APP_HASHES?: string = undefined;

  /**
   * Phone numbers with a fixed code of 6 to 9 digits, for app-store reviews and CI. No message is sent to them.
   * The code is a password: in production use 9 random digits, such as the output of
   * `node -p "crypto.randomInt(1e8, 1e9)"`. Example: `+15005550006=407918263`.
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
    /^(\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})$/,
    'a phone number such as +14155550100, a short code, or 1 to 11 letters, digits, spaces and the signs & + - _',
  )
  TWILIO_FROM?: string = undefined;

  /** The Twilio messaging service that chooses the sender. Use it instead of `TWILIO_FROM`. */
  @Matching(/^MG[0-9a-fA-F]{32}$/, 'MG followed by 32 hexadecimal digits')
  TWILIO_MESSAGING_SERVICE_SID?: string = undefined;

  /** The phone number that WhatsApp messages come from. Default: no `whatsapp` channel. */
  @Matching(/^\+[1-9]\d{6,14}$/, 'a phone number such as +14155550100')
  TWILIO_WHATSAPP_FROM?: string = undefined;

  /**
   * The Content SID of the WhatsApp authentication template. Its `{{1}}` is the code. Required with
   * `TWILIO_WHATSAPP_FROM`: WhatsApp refuses codes without a template. Only Twilio's sandbox (+14155238886) does without it,
   * in development.
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
  @SomeOf(...CHANNELS)
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

  /**
   * Number ranges that are newer than the numbering plans in this version, as prefixes of international numbers
   * separated by commas: `+8619,+91592`. Their numbers are accepted and count as mobile.
   */
  @NumberPrefixes()
  NEW_NUMBER_RANGES?: string = undefined;

  /** The lifetime of a code. NIST SP 800-63B-4 allows at most 10 minutes. */
  @Duration({ min: '30s', max: '10m', example: '5m' })
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
  @Duration({ min: '1m', max: '365d', example: '48h' })
  TOKEN_TTL = '48h';

  /**
   * The time after which a session ends if it is not refreshed. At least `TOKEN_TTL`. Default: `30d`, but not shorter than
   * `TOKEN_TTL` and not longer than `SESSION_MAX_AGE`.
   */
  @Duration({ min: '1m', max: '365d', example: '30d' })
  REFRESH_TTL?: string = undefined;

  /**
   * The time for which a refresh token may be used again after its first use, so that parallel tabs, retries and lost answers
   * sign no user out. A later use ends the session.
   */
  @Duration({ min: '0s', max: '10m', example: '30s' })
  REFRESH_REUSE_WINDOW = '30s';

  /**
   * The time after its sign-in at which a session ends, however often it is refreshed. At least `REFRESH_TTL` and `TOKEN_TTL`. Default: `90d`,
   * or `REFRESH_TTL` if that is longer.
   */
  @Duration({ min: '1m', max: '3650d', example: '90d' })
  SESSION_MAX_AGE?: string = undefined;

  /**
   * The time without use after which the number of an account counts as recycled: carriers give numbers to other people. A
   * sign-in by a device that is not known then follows `RECYCLED_NUMBERS`. At least `REFRESH_TTL`. Default: `180d`, or
   * `REFRESH_TTL` if that is longer.
   */
  @Duration({ min: '1d', max: '3650d', example: '180d' })
  RECYCLED_AFTER?: string = undefined;

  /**
   * The outcome of a sign-in with a recycled number. `new_account`: it creates another account, and the one from before loses the
   * number. `refuse`: it is refused, with 403.
   */
  @OneOf('new_account', 'refuse')
  RECYCLED_NUMBERS = 'new_account';

  /**
   * `on` also sets the token of a sign-in as the HttpOnly cookie `latchkey_session`, and accepts it. With a `PUBLIC_URL` of
   * https:// its name is `__Host-latchkey_session`.
   */
  @OneOf('on', 'off')
  SESSION_COOKIE = 'off';

  /**
   * `on` makes the `id` of the user a number at `/signup`, and in `data` of `/protected`, for clients that decode it as a 64-bit
   * integer. The other routes keep the UUID.
   */
  @OneOf('on', 'off')
  SIGNUP_NUMERIC_IDS = 'off';

  /** `on` adds the header `X-User-Phone`, with the user's phone number, to the answer of `/v1/session/verify`. */
  @OneOf('on', 'off')
  FORWARD_PHONE = 'off';

  /**
   * The countries that messages are sent to, separated by commas: `US,CA`. Satellite phones and other numbers without a
   * country are allowed only by their calling code, such as `+870`. Default: all countries, and no such numbers.
   */
  @Countries()
  ALLOWED_COUNTRIES?: string = undefined;

  /**
   * The proxies in front of this server, separated by commas. `X-Forwarded-For` is read from right to left and
   * believed only for these. Default: none; the header is ignored.
   */
  @Networks()
  TRUSTED_PROXIES?: string = undefined;

  /**
   * The time that an idle connection stays open. It must be longer than the idle timeout of the load balancer (often
   * 60 s), which otherwise sends requests on connections that this server is closing.
   */
  @Duration({ min: '1s', max: '1h' })
  KEEP_ALIVE_TIMEOUT = '75s';

  /**
   * The most open connections of this process. At the limit a new connection replaces an idle one of the address with
   * the most connections. Lowered to what the limit on open files allows.
   */
  @Integer({ min: 1, max: 1_000_000 })
  MAX_CONNECTIONS = '5000';

  /**
   * The most open connections of one IPv4 address or IPv6 /64 network. At the limit a new connection replaces the
   * address's oldest idle one. Does not apply to `TRUSTED_PROXIES`.
   */
  @Integer({ min: 1, max: 1_000_000 })
  MAX_CONNECTIONS_PER_ADDRESS = '2500';

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
   * as `cool_down,sends_per_address`, monitors only those limits and enforces the others. The attempts of one
   * verification (`OTP_MAX_ATTEMPTS`) are always enforced. Default: `enforce`; but in development with the inbox, where
   * no message costs anything, each limit on messages and addresses is monitored unless its own variable is set.
   */
  @ModeOf(['enforce', 'monitor'], LIMITS)
  LIMIT_MODE?: string = undefined;

  /**
   * The mode of the SMS pumping breaker, which blocks messages where too few codes are verified. `monitor`
   * records what it would block, and blocks nothing. Default: `enforce`, but `monitor` in development with the inbox.
   */
  @OneOf('enforce', 'monitor')
  BREAKER_MODE?: string = undefined;

  /**
   * The most to spend on messages per day (UTC), estimated from the price table, in its currency: US dollars by
   * default.
   */
  @Money()
  SPEND_CAP_PER_DAY = '1000';

  /**
   * The most to spend on messages to one country per day (UTC): an amount, or a share of `SPEND_CAP_PER_DAY`. So messages
   * to one country cannot use up the cap of all others. Default: `50%`, or `100%` when `ALLOWED_COUNTRIES` names one
   * country.
   */
  @MoneyOrShare()
  SPEND_CAP_PER_COUNTRY?: string = undefined;

  /**
   * A JSON file with the prices of your provider, which replace the built-in estimates: `{"default": {"sms": 0.35,
   * "whatsapp": 0.08, "call": 1}, "countries": {"US": {"sms": 0.0083, "call": 0.014}, "FR": 0.08}}`. A number is the
   * price of an SMS. The price of a call is for one minute.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  PRICES_FILE?: string = undefined;

  /**
   * A JSON file that replaces numbers of the abuse policy (`docs/abuse.md`). Try it with `npm run simulate`
   * first.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  POLICY_FILE?: string = undefined;

  /**
   * The bearer token for the operator routes, such as the output of `openssl rand -hex 24`. It must be random: guesses are
   * reported, but not limited. Default: `/v1/operations` is disabled.
   */
  @Matching(
    /^[\w.~+/-]{16,}=*$/,
    '16 or more of the characters A–Z a–z 0–9 - . _ ~ + /, optionally followed by =',
  )
  OPERATOR_TOKEN?: string = undefined;

  /**
   * A JSON file with your backends and other services: `{"clients": [{"id": "shop", "name": "The shop", "secret_sha256": "…",
   * "purposes": ["sign_in", "verify", "introspect"], "limits": {"sends": "300/10m", "checks": "600/10m", "introspect":
   * "5000/10s"}}]}`. `npx latchkey clients add` prints an entry and its secret. `sign_in` requests and checks codes for its users,
   * `verify` verifies numbers without accounts, and `introspect` asks about tokens. `sends` and `checks` replace the limits of
   * addresses where the backend states no `client_address`; the limit of introspections is for each process. Default: no
   * clients, and no routes for them.
   */
  @Matching(/^[^\0]+$/, 'a file path')
  CLIENTS_FILE?: string = undefined;

  /**
   * The time for which security events (sign-ins, refreshes, ended sessions, acts of operators) are kept. They are deleted by
   * the month.
   */
  @Duration({ min: '1d', max: '3650d', example: '400d' })
  EVENTS_RETENTION = '400d';

  /**
   * The audiences (`aud`) that a signed token may be requested for, separated by commas, such as
   * `https://api.example.com,billing`. The first one is the default. Default: the address of this server only.
   */
  @Matching(/^[!-+\--~]{1,200}(\s*,\s*[!-+\--~]{1,200})*$/, 'names without spaces, separated by commas')
  JWT_AUDIENCES?: string = undefined;

  /**
   * The URL of your backend that events are sent to, as webhooks: `https://api.example.com/hooks/latchkey`. It may hold a user and
   * a password. Set it for every process. Default: no webhooks.
   */
  @Address('http:', 'https:')
  WEBHOOK_URL?: string = undefined;

  /**
   * The secret that webhooks are signed with, in the form of Standard Webhooks: `whsec_` and the Base64 of at least 24 random
   * bytes. Create one with `echo "whsec_$(openssl rand -base64 32)"`. Two, separated by a comma, both sign: for a rotation.
   */
  @WebhookSecrets()
  WEBHOOK_SECRET?: string = undefined;

  /** `on` sends whole phone numbers in webhooks. Otherwise they are masked. */
  @OneOf('on', 'off')
  WEBHOOK_NUMBERS = 'off';

  /** `on` allows a `WEBHOOK_URL` with a private, loopback or link-local address, such as one in your own network. */
  @OneOf('on', 'off')
  WEBHOOK_ALLOW_PRIVATE = 'off';

  /** The waits after the tries of a webhook that failed, in order. After the last one it is tried once more, then given up. */
  @Durations({ min: '1s', max: '1d', most: 20 })
  WEBHOOK_RETRIES = '5s,1m,5m,30m,3h,8h,12h';

  /** `off` makes this process serve requests only; messages are then sent by workers (`npm run start:worker`). */
  @OneOf('on', 'off')
  BACKGROUND = 'on';

  /**
   * The number of processes that serve the API behind one port, or `auto`: one for each core. A process that ends is
   * replaced. With more than one, metrics are served on `METRICS_PORT` only, as sums over all processes.
   */
  @IntegerOr('auto', { min: 1, max: 256 })
  WORKERS = '1';

  /**
   * A separate port for `/metrics`, on the address `HOST`, so that they need not be public, and for `/health/live`.
   * Default: the API serves the metrics on `PORT`; a worker serves none.
   */
  @Integer({ min: 0, max: 65_535 })
  METRICS_PORT?: string = undefined;

  /**
   * The longest that a shutdown waits for pending sends, after the requests in progress have finished. Unfinished
   * sends stay queued.
   */
  @Duration({ min: '1s', max: '5m', example: '10s' })
  DRAIN_TIMEOUT = '10s';

  /** `off` serves neither Swagger UI at `/docs` nor the OpenAPI document at `/openapi.json`. */
  @OneOf('on', 'off')
  DOCS = 'on';

  /**
   * The time between SIGTERM and the end of new connections. Meanwhile `/health/ready` answers 503 and everything else
   * works, so that load balancers can take this process out of rotation. Set it longer than their check interval.
   */
  @Duration({ min: '0s', max: '5m', example: '5s' })
  SHUTDOWN_DELAY = '0s';

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
