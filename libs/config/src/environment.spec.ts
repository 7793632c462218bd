import { configurationErrorOf, TWILIO } from '../../../test/support/configuration.js';
import { Environment } from './environment.js';
import { readConfig } from './read-config.js';
import { rulesOf } from './rules.js';

/** Values that break the rule of their own variable, whatever the other variables are. */
const WRONG = {
  NODE_ENV: ['staging', 'Production'],
  HOST: ['a host', 'http://host'],
  PORT: ['-1', '65536', '80.5', 'http', '0x50', '99999999999'],
  PUBLIC_URL: ['id.example.org', 'ftp://id.example.org', '/'],
  ALLOWED_ORIGINS: [
    '*',
    'null',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com,',
    'https://app.example.com, *',
    'https://*.com',
    'http://*.example.com',
    'http://localhost:*',
  ],
  DATABASE_URL: [
    'mysql://db/latchkey',
    'db:5432',
    'localhost',
    'postgres://a:50%ge@db/latchkey',
    'postgres://a:1#b@db/latchkey',
  ],
  DATABASE_SCHEMA: ['1st', 'a-b', 'a b', 'pg_latchkey', 'x'.repeat(64)],
  DATABASE_POOL_SIZE: ['3', '0', '1001', 'many'],
  DATABASE_TIMEOUT: ['0s', '499ms', '2m', '1500'],
  REDIS_URL: ['http://redis', 'redis', '127.0.0.1:6379'],
  SECRET: ['s'.repeat(31), 'é'.repeat(15)],
  SECRET_PREVIOUS: ['s'.repeat(31)],
  MESSAGE_SENDER: ['sms', 'Twilio'],
  TWILIO_ACCOUNT_SID: [`SK${'a'.repeat(32)}`, `AC${'a'.repeat(31)}`, `AC${'g'.repeat(32)}`],
  TWILIO_AUTH_TOKEN: ['t'.repeat(15)],
  TWILIO_API_KEY: [`AC${'a'.repeat(32)}`],
  TWILIO_API_SECRET: ['t'.repeat(15)],
  TWILIO_FROM: ['+0123456789', 'twelve chars', '& + - _', 'AT*T', '+1 415 555 0100'],
  TWILIO_MESSAGING_SERVICE_SID: [`AC${'a'.repeat(32)}`],
  TWILIO_AUTH_TOKEN_SECONDARY: ['t'.repeat(15)],
  TWILIO_WHATSAPP_FROM: ['whatsapp:+14155550100', '4155550100', '+0123456789'],
  TWILIO_WHATSAPP_CONTENT_SID: [`MG${'a'.repeat(32)}`],
  TWILIO_CALL_FROM: ['Latchkey', '12345'],
  TWILIO_FEEDBACK: ['yes'],
  FALLBACK: [
    'sms',
    'sms>',
    'sms>sms',
    'sms>fax',
    'sms>call@4s',
    'sms>call@6m',
    'sms>call@20',
    'sms>call@',
    'sms>call@20s@20s',
    'sms>sms:pigeon',
    'sms>sms:http:x',
    'sms,call',
    'SMS>call',
    'sms>__proto__',
  ],
  BRAND: ['{code}', 'a'.repeat(33), 'a<b', 'a\nb'],
  SMS_ORIGIN: [
    'https://example.com',
    'example.com/',
    'example.com:443',
    '-a.com',
    'a..b',
    'Example.com',
    'exämple.com',
  ],
  SMS_APP_HASH: ['FA+9qCX9VS', 'FA+9qCX9VSuu', 'FA+9qCX9VS='],
  SMS_APP_HASHES: ['FA+9qCX9VS', 'FA+9qCX9VSu,', 'FA+9qCX9VSu AbCdEfGhIjK', 'FA+9qCX9VSu,AbCdEfGhIj='],
  TEST_PHONE_NUMBERS: [
    '+15005550006',
    '+15005550006=12345',
    '+15005550006=1234567890',
    '+15005550006=abcdef',
    '15005550006=123456',
    '+15555550100=123456',
    '+15005550006=123456,',
    '+15005550006=123456,+15005550006=654321',
  ],
  TEST_PHONE_NUMBERS_UNTIL: ['tomorrow', '2026', '2026-13-01', '2026-01-01T10:00', '1767225600'],
  HTTP_SENDER_URL: [
    'gateway.example/send',
    'ftp://gateway.example',
    'https://{{to}}.example/send',
    'https://gateway.example/{{password}}',
    'https://gateway.example/{{{to}}}',
    'https://gateway.example/{{#to}}x{{/to}}',
  ],
  HTTP_SENDER_METHOD: ['post', 'DELETE'],
  HTTP_SENDER_HEADERS: [
    'Authorization: x',
    '[]',
    '{}',
    '"a"',
    '{"a b": "c"}',
    '{"a": "{{to}}"}',
    '{"a": "b\\nc"}',
  ],
  HTTP_SENDER_BODY: ['{{secret}}', '{{{body}}}', '{{>body}}', '{{&body}}', '{{! x}}'],
  HTTP_SENDER_SUCCESS: ['(', '['],
  HTTP_SENDER_CHANNELS: ['fax', 'sms,', 'sms;call'],
  HTTP_SENDER_ALLOW_PRIVATE: ['true'],
  TWILIO_API_URL: ['api.twilio.com', 'ftp://api.twilio.com'],
  DEFAULT_REGION: ['us', 'USA', 'XX', 'constructor', '__proto__'],
  OTP_TTL: ['29s', '601s', '11m', '1h', '300', '5 m'],
  OTP_LENGTH: ['5', '11', 'six', '6.5'],
  OTP_MAX_ATTEMPTS: ['0', '11', '-5'],
  TOKEN_TTL: ['59s', '366d', 'forever'],
  REFRESH_TTL: ['366d', '30'],
  REFRESH_REUSE_WINDOW: ['11m', '30', '-1s'],
  SESSION_COOKIE: ['yes', 'ON'],
  SIGNUP_NUMERIC_IDS: ['true', 'ON'],
  FORWARD_PHONE: ['true'],
  SESSION_MAX_AGE: ['3651d', 'never'],
  RECYCLED_AFTER: ['3651d', 'never'],
  RECYCLED_NUMBERS: ['delete', 'on'],
  ALLOWED_COUNTRIES: ['us', 'US,', 'US;CA', 'US,XX', '__proto__', '+1', '+979', '870', 'US,+87'],
  NEW_NUMBER_RANGES: ['8619', '+', '+86', '+86 19', '+0819', '+8619,', '+123456789012345'],
  DEFAULT_LOCALE: ['de-AT', 'EN', 'zh-TW', 'zh_Hant', 'nl', 'en,fr', '__proto__'],
  LOCALES: ['english', 'en;fr', 'en,', 'en,en', 'en,zh-TW', 'toString'],
  TRUSTED_PROXIES: [
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/8/8',
    'proxy',
    '10.0.0.1,',
    '10.0.0.0/',
    '10.0.0.0/-1',
  ],
  KEEP_ALIVE_TIMEOUT: ['0s', '61m', '75'],
  MAX_CONNECTIONS: ['0', '-1', '1e3', '1000001'],
  MAX_CONNECTIONS_PER_ADDRESS: ['0', 'many'],
  LIMIT_SENDS_PER_NUMBER: [
    '5',
    '5/10',
    '0/10m',
    '-1/10m',
    '5/10m/2',
    '5/999ms',
    '5/10m,',
    '1/1m,1/1m,1/1m,1/1m',
  ],
  LIMIT_SENDS_PER_ADDRESS: ['thirty/10m', '30/', '/10m'],
  LIMIT_CHECKS_PER_ADDRESS: ['60 / 10m', '1.5/10m'],
  LIMIT_MODE: [
    'off',
    'monitor;cool_down',
    'cool_down,nothing',
    'Monitor',
    'monitor,enforce',
    'cool_down,monitor',
  ],
  BREAKER_MODE: ['off', 'cool_down'],
  SPEND_CAP_PER_DAY: ['-1', '1e3', '$5', '1,000', '.5', 'NaN'],
  SPEND_CAP_PER_COUNTRY: ['5.', 'Infinity', '%', '101%', '-5%', '50 %'],
  PRICES_FILE: ['a\0b'],
  POLICY_FILE: ['a\0b'],
  CLIENTS_FILE: ['a\0b'],
  MESSAGES_FILE: ['a\0b'],
  EVENTS_RETENTION: ['0d', '23h', '4000d', '400'],
  JWT_AUDIENCES: ['a b', 'a,,b', ',a', 'a'.repeat(201)],
  OPERATOR_TOKEN: ['fifteen-letters', 'with spaces in it, 20', 'a'.repeat(15)],
  LIMIT_COOL_DOWN: ['0s', '999ms', '61m', '30', '30s,', '30s;60s', Array(11).fill('30s').join()],
  WEBHOOK_URL: ['api.example.com/hook', 'ftp://api.example.com', 'https://'],
  WEBHOOK_SECRET: [
    'c2VjcmV0'.repeat(4),
    'whsec_',
    `whsec_${'c2Vj'.repeat(7)}cw`,
    `whsec_${'A'.repeat(31)}`,
    `whsec_${'-'.repeat(32)}`,
    `whsec_${'A'.repeat(32)},`,
    `whsec_${'A'.repeat(32)},whsec_${'A'.repeat(32)}`,
    ['A', 'B', 'C'].map((letter) => `whsec_${letter.repeat(32)}`).join(),
    `whsec_${'c2Vj'.repeat(7)}`,
  ],
  WEBHOOK_NUMBERS: ['true'],
  WEBHOOK_ALLOW_PRIVATE: ['yes'],
  WEBHOOK_RETRIES: ['5', '500ms', '2d', '5s,', Array(21).fill('1s').join()],
  BACKGROUND: ['true', 'On'],
  WORKERS: ['0', '-1', '257', 'max', '1.5'],
  METRICS_PORT: ['-1', '65536', 'http'],
  DRAIN_TIMEOUT: ['0s', '6m', '10'],
  DOCS: ['false'],
  SHUTDOWN_DELAY: ['6m', '5', '-1s'],
  DATA_DIR: ['a\0b'],
  MIGRATE_ON_START: ['yes'],
  LOG_LEVEL: ['verbose', 'INFO'],
};

describe('Environment', () => {
  const names = Object.keys(new Environment());

  it('declares one rule for every variable', () => {
    const rules = rulesOf(Environment);
    expect(Object.keys(rules).sort()).toEqual([...names].sort());
    for (const rule of Object.values(rules)) expect(rule).not.toBe('');
  });

  it('has a test of a wrong value for every variable', () => {
    expect(Object.keys(WRONG).sort()).toEqual([...names].sort());
  });

  const wrong = Object.entries(WRONG).flatMap(([name, values]) => values.map((value) => [name, value]));
  it.each(wrong as [string, string][])('rejects %s=%j', (name, value) => {
    const { faults } = configurationErrorOf({ ...TWILIO, SECRET: 's'.repeat(32), [name]: value });
    expect(faults.filter((fault) => fault.rule.startsWith('must be '))).toEqual([
      { name, rule: expect.any(String) },
    ]);
  });

  it('reports every fault at once', () => {
    const { faults, message } = configurationErrorOf(Object.fromEntries(wrong));
    expect(faults.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(WRONG)));
    for (const { name, rule } of faults) expect(message.split('\n')).toContain(`${name}: ${rule}`);
  });

  it.each([
    ['ALLOWED_COUNTRIES', 'US, UK', 'UK is GB'],
    ['ALLOWED_COUNTRIES', 'Germany,france', 'GERMANY is DE, FRANCE is FR'],
    ['DEFAULT_REGION', 'USA', 'USA is US'],
    ['DEFAULT_REGION', 'us', 'write it in capital letters'],
    ['NODE_ENV', 'Production', 'write it in small letters'],
    ['TOKEN_TTL', '3600', 'a number needs a unit: ms, s, m, h or d'],
    ['LIMIT_COOL_DOWN', '30', 'a number needs a unit: ms, s, m, h or d'],
    ['SECRET', '"short"', 'remove the quotation marks around it'],
    ['PORT', "'4000'", 'remove the quotation marks around it'],
    ['PUBLIC_URL', 'id.example.org', 'the scheme in front of the host is missing'],
    ['ALLOWED_ORIGINS', '*', 'name the origins: * would allow every page'],
    ['ALLOWED_ORIGINS', 'app.example.com', 'the scheme in front of the host is missing'],
    ['ALLOWED_ORIGINS', 'https://app.example.com/', 'an origin has no path and no slash at its end'],
    ['ALLOWED_ORIGINS', 'https://App.example.com', 'write it in small letters'],
    ...[
      'postgres://app:a#b@127.0.0.1:5432/latchkey',
      'postgres://app:1#b@db/latchkey',
      'postgres://app:a/b@db/latchkey',
      'postgres://app:a?b@db/latchkey',
      'postgres://app:50%@db/latchkey',
      'postgres://app:a b#@db/latchkey',
    ].map((url) => [
      'DATABASE_URL',
      url,
      'signs such as # / ? % @ in its user or password must be percent-encoded, for example # as %23',
    ]),
    [
      'REDIS_URL',
      'redis://:p#w@cache',
      'signs such as # / ? % @ in its user or password must be percent-encoded',
    ],
  ] as [string, string, string][])('says how to correct %s=%s', (name, value, hint) => {
    const { message } = configurationErrorOf({ [name]: value });
    expect(message.split('\n').find((line) => line.startsWith(`${name}: must be`))).toContain(`(${hint}`);
  });

  it.each([
    'postgres://app:p@ss@db/latchkey',
    'postgres://app:a%23b@db/latchkey',
    'postgres://[::1]:5432/l?a=b',
  ])('accepts DATABASE_URL=%s', (url) => {
    expect(readConfig({ DATABASE_URL: url }).databaseUrl).toBe(url);
  });

  it.each(['AT&T', 'My-Brand_1', 'Brand+', '12345', '+14155550100'])('accepts TWILIO_FROM=%s', (from) => {
    expect(readConfig({ ...TWILIO, TWILIO_FROM: from }).twilio?.from).toBe(from);
  });

  it('reports a fault in the words of the rule', () => {
    expect(configurationErrorOf({ PORT: 'http' }).message).toBe(
      'PORT: must be a whole number from 0 to 65535',
    );
    expect(rulesOf(Environment).PORT).toBe('a whole number from 0 to 65535');
  });
});
