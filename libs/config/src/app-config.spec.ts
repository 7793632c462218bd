import { resolve } from 'node:path';
import { ConfigurationError, readConfig } from './app-config.js';
import { parseDurationMs } from './duration.js';

const TWILIO = {
  TWILIO_ACCOUNT_SID: `AC${'a'.repeat(32)}`,
  TWILIO_AUTH_TOKEN: 't'.repeat(32),
  TWILIO_FROM: '+14155550100',
};

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://latchkey@db/latchkey',
  SECRET: 's'.repeat(32),
  ...TWILIO,
};

/** A variable that is wrong in its own right, whatever the others are. */
const WRONG = {
  NODE_ENV: ['staging', 'Production'],
  HOST: ['a host', 'http://host'],
  PORT: ['-1', '65536', '80.5', 'http', '0x50', '99999999999'],
  PUBLIC_URL: ['id.example.org', 'ftp://id.example.org', '/'],
  DATABASE_URL: ['mysql://db/latchkey', 'db:5432', 'localhost', 'postgres://a:50%ge@db/latchkey'],
  REDIS_URL: ['http://redis', 'redis', '127.0.0.1:6379'],
  SECRET: ['s'.repeat(31), 'é'.repeat(15)],
  SECRET_PREVIOUS: ['s'.repeat(31)],
  MESSAGE_SENDER: ['sms', 'Twilio'],
  TWILIO_ACCOUNT_SID: [`SK${'a'.repeat(32)}`, `AC${'a'.repeat(31)}`, `AC${'g'.repeat(32)}`],
  TWILIO_AUTH_TOKEN: ['t'.repeat(15)],
  TWILIO_API_KEY: [`AC${'a'.repeat(32)}`],
  TWILIO_API_SECRET: ['t'.repeat(15)],
  TWILIO_FROM: ['+0123456789', 'twelve chars', '+1 415 555 0100'],
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
  ALLOWED_COUNTRIES: ['us', 'US,', 'US;CA', 'US,XX', '__proto__'],
  TRUSTED_PROXIES: [
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/8/8',
    'proxy',
    '10.0.0.1,',
    '10.0.0.0/',
    '10.0.0.0/-1',
  ],
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
  SPEND_CAP_PER_COUNTRY: ['5.', 'Infinity'],
  PRICES_FILE: ['a\0b'],
  POLICY_FILE: ['a\0b'],
  OPERATOR_TOKEN: ['fifteen-letters', 'with spaces in it, 20', 'a'.repeat(15)],
  LIMIT_COOL_DOWN: ['0s', '999ms', '61m', '30', '30s,', '30s;60s', Array(11).fill('30s').join()],
  BACKGROUND: ['true', 'On'],
  METRICS_PORT: ['-1', '65536', 'http'],
  DRAIN_TIMEOUT: ['0s', '6m', '10'],
  DATA_DIR: ['a\0b'],
  MIGRATE_ON_START: ['yes'],
  LOG_LEVEL: ['verbose', 'INFO'],
};

describe('readConfig', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toEqual({
      production: false,
      host: '127.0.0.1',
      port: 4000,
      publicUrl: null,
      dataDir: resolve('.data'),
      databaseUrl: null,
      redisUrl: null,
      secret: null,
      secretPrevious: null,
      sender: 'inbox',
      twilio: null,
      httpSender: null,
      fallback: null,
      brand: 'Latchkey',
      autofill: null,
      testNumbers: { codes: {}, until: null },
      defaultRegion: null,
      otp: { ttlMs: 300_000, length: 6, maxAttempts: 5 },
      tokenTtlMs: 172_800_000,
      allowedCountries: null,
      trustedProxies: [],
      limits: {
        coolDownsMs: [30_000, 60_000, 120_000, 300_000],
        sendsPerNumber: [
          { points: 5, seconds: 600 },
          { points: 10, seconds: 86_400 },
        ],
        sendsPerAddress: [{ points: 30, seconds: 600 }],
        checksPerAddress: [{ points: 60, seconds: 600 }],
        monitored: [],
      },
      breakerEnforced: true,
      spendCaps: { perDay: 1_000, perCountry: 500 },
      pricesFile: null,
      policyFile: null,
      operatorToken: null,
      background: true,
      metricsPort: null,
      drainTimeoutMs: 10_000,
      migrateOnStart: true,
      logLevel: 'info',
    });
  });

  it('takes what it is given over the defaults', () => {
    expect(
      readConfig({
        HOST: '::1',
        PORT: '0',
        PUBLIC_URL: 'https://id.example.org//',
        DATA_DIR: '/var/lib/latchkey',
        DATABASE_URL: 'postgresql://latchkey@db/latchkey',
        REDIS_URL: 'rediss://cache',
        SECRET: `  ${'s'.repeat(32)}\n`,
        SECRET_PREVIOUS: 'é'.repeat(16),
        DEFAULT_REGION: 'FR',
        OTP_TTL: '10m',
        OTP_LENGTH: '10',
        OTP_MAX_ATTEMPTS: '1',
        TOKEN_TTL: '365d',
        ALLOWED_COUNTRIES: 'FR,BE',
        TRUSTED_PROXIES: '10.0.0.0/8,::1',
        LIMIT_COOL_DOWN: '1s,1h',
        LIMIT_SENDS_PER_NUMBER: '1/1s',
        LIMIT_SENDS_PER_ADDRESS: '7/1d,3/1h',
        LIMIT_CHECKS_PER_ADDRESS: '9/90s',
        LIMIT_MODE: 'cool_down,sends_per_address',
        BREAKER_MODE: 'monitor',
        SPEND_CAP_PER_DAY: '99.5',
        SPEND_CAP_PER_COUNTRY: '0',
        PRICES_FILE: 'prices.json',
        POLICY_FILE: 'policy.json',
        OPERATOR_TOKEN: 'c2VjcmV0IGVub3VnaA==',
        BACKGROUND: 'off',
        DRAIN_TIMEOUT: '1s',
        MIGRATE_ON_START: 'off',
        LOG_LEVEL: 'silent',
        MESSAGE_SENDER: 'twilio',
        ...TWILIO,
      }),
    ).toMatchObject({
      host: '::1',
      port: 0,
      publicUrl: 'https://id.example.org',
      dataDir: '/var/lib/latchkey',
      databaseUrl: 'postgresql://latchkey@db/latchkey',
      redisUrl: 'rediss://cache',
      secret: 's'.repeat(32),
      secretPrevious: 'é'.repeat(16),
      defaultRegion: 'FR',
      otp: { ttlMs: 600_000, length: 10, maxAttempts: 1 },
      tokenTtlMs: 31_536_000_000,
      allowedCountries: ['FR', 'BE'],
      trustedProxies: ['10.0.0.0/8', '::1'],
      limits: {
        coolDownsMs: [1_000, 3_600_000],
        sendsPerNumber: [{ points: 1, seconds: 1 }],
        sendsPerAddress: [
          { points: 7, seconds: 86_400 },
          { points: 3, seconds: 3_600 },
        ],
        checksPerAddress: [{ points: 9, seconds: 90 }],
        monitored: ['cool_down', 'sends_per_address'],
      },
      breakerEnforced: false,
      spendCaps: { perDay: 99.5, perCountry: 0 },
      pricesFile: 'prices.json',
      policyFile: 'policy.json',
      operatorToken: 'c2VjcmV0IGVub3VnaA==',
      background: false,
      drainTimeoutMs: 1_000,
      migrateOnStart: false,
      logLevel: 'silent',
    });
  });

  it.each(['', ' ', '\t\n'])('counts the empty value %j as unset', (empty) => {
    const variables = Object.keys(WRONG).map((name) => [name, empty]);
    expect(readConfig(Object.fromEntries(variables))).toEqual(readConfig({}));
  });

  it('ignores variables that are not its own', () => {
    expect(readConfig({ PATH: '/bin', constructor: 'x', toString: 'x' })).toEqual(readConfig({}));
  });

  const wrong = Object.entries(WRONG).flatMap(([name, values]) => values.map((value) => [name, value]));
  it.each(wrong as [string, string][])('refuses %s=%j', (name, value) => {
    const { faults } = errorOf({ ...TWILIO, SECRET: 's'.repeat(32), [name]: value });
    expect(faults.filter((fault) => fault.rule.startsWith('must be '))).toEqual([
      { name, rule: expect.any(String) },
    ]);
  });

  it('names every fault at once', () => {
    const { faults, message } = errorOf(Object.fromEntries(wrong));
    expect(faults.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(WRONG)));
    for (const { name, rule } of faults) expect(message.split('\n')).toContain(`${name}: ${rule}`);
  });

  it('never repeats a value, which may be a secret', () => {
    const secrets = {
      DATABASE_URL: 'mysql://root:hunter2@db/latchkey',
      REDIS_URL: 'http://:correct-horse@cache',
      SECRET: 'too-short-a-secret',
      SECRET_PREVIOUS: 'its-predecessor',
      TWILIO_AUTH_TOKEN: 'half-a-token',
      TWILIO_API_KEY: 'not-a-key-sid',
      TWILIO_API_SECRET: 'key-material',
      TWILIO_ACCOUNT_SID: 'someones-account',
      LOG_LEVEL: 'pasted-into-the-wrong-line',
    };
    const error = errorOf(secrets);
    const said = [error.message, error.stack, JSON.stringify(error)].join();
    for (const [name, value] of Object.entries(secrets)) {
      expect(said).toContain(name);
      expect(said).not.toContain(value);
    }
    expect(said).not.toMatch(/hunter2|correct-horse/);
  });

  it('runs in production on services of its own', () => {
    expect(readConfig(PRODUCTION)).toMatchObject({ production: true, migrateOnStart: false });
    expect(readConfig({ ...PRODUCTION, MIGRATE_ON_START: 'on' }).migrateOnStart).toBe(true);
  });

  it('refuses whatever is embedded or made up in production, all at once', () => {
    expect(errorOf({ NODE_ENV: 'production' }).faults.map(({ name }) => name)).toEqual([
      'DATABASE_URL',
      'SECRET',
      'MESSAGE_SENDER',
    ]);
    expect(errorOf({ ...PRODUCTION, MESSAGE_SENDER: 'inbox' }).faults.map(({ name }) => name)).toEqual([
      'MESSAGE_SENDER',
    ]);
  });

  const { TWILIO_FROM, TWILIO_AUTH_TOKEN, TWILIO_ACCOUNT_SID } = TWILIO;
  const TWILIO_API_KEY = `SK${'b'.repeat(32)}`;
  const TWILIO_API_SECRET = 'k'.repeat(32);
  it.each([
    ['Twilio without an account', { TWILIO_AUTH_TOKEN, TWILIO_FROM }, 'TWILIO_ACCOUNT_SID'],
    ['Twilio without credentials', { TWILIO_ACCOUNT_SID, TWILIO_FROM }, 'TWILIO_AUTH_TOKEN'],
    ['Twilio without a sender', { TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN }, 'TWILIO_FROM'],
    ['an API key without its secret', { ...TWILIO, TWILIO_API_KEY }, 'TWILIO_API_KEY'],
    ['the secret of no API key', { ...TWILIO, TWILIO_API_SECRET }, 'TWILIO_API_KEY'],
    ['a previous secret of no secret', { SECRET_PREVIOUS: 's'.repeat(32) }, 'SECRET_PREVIOUS'],
    ['two last lines', { SMS_ORIGIN: 'example.com', SMS_APP_HASH: 'FA+9qCX9VSu' }, 'SMS_APP_HASH'],
    ['another provider without an address', { MESSAGE_SENDER: 'http' }, 'HTTP_SENDER_URL'],
    ['an inbox in a process that sends nothing', { BACKGROUND: 'off' }, 'BACKGROUND'],
    ['an inbox on request there', { ...TWILIO, MESSAGE_SENDER: 'inbox', BACKGROUND: 'off' }, 'BACKGROUND'],
  ])('refuses %s', (_, variables, name) => {
    expect(errorOf(variables).faults).toEqual([{ name, rule: expect.any(String) }]);
  });

  it('asks for everything of Twilio that is missing when Twilio is asked for', () => {
    expect(errorOf({ MESSAGE_SENDER: 'twilio' }).faults.map(({ name }) => name)).toEqual([
      'TWILIO_ACCOUNT_SID',
      'TWILIO_AUTH_TOKEN',
      'TWILIO_FROM',
    ]);
  });

  it.each([
    [
      'an auth token',
      TWILIO,
      { username: TWILIO_ACCOUNT_SID, password: TWILIO_AUTH_TOKEN, from: TWILIO_FROM },
    ],
    [
      'an API key',
      { TWILIO_ACCOUNT_SID, TWILIO_FROM, TWILIO_API_KEY, TWILIO_API_SECRET },
      { username: TWILIO_API_KEY, password: TWILIO_API_SECRET, from: TWILIO_FROM },
    ],
    [
      'an API key rather than an auth token',
      { ...TWILIO, TWILIO_API_KEY, TWILIO_API_SECRET },
      { username: TWILIO_API_KEY, password: TWILIO_API_SECRET, from: TWILIO_FROM },
    ],
    [
      'a messaging service behind a proxy',
      {
        TWILIO_ACCOUNT_SID,
        TWILIO_AUTH_TOKEN,
        TWILIO_MESSAGING_SERVICE_SID: `MG${'c'.repeat(32)}`,
        TWILIO_API_URL: 'http://proxy/twilio/',
      },
      {
        username: TWILIO_ACCOUNT_SID,
        password: TWILIO_AUTH_TOKEN,
        messagingServiceSid: `MG${'c'.repeat(32)}`,
        apiUrl: 'http://proxy/twilio',
      },
    ],
  ])('signs in to Twilio with %s', (_, variables, twilio) => {
    expect(readConfig(variables).twilio).toEqual({
      accountSid: TWILIO_ACCOUNT_SID,
      from: null,
      messagingServiceSid: null,
      whatsapp: null,
      callFrom: null,
      feedback: false,
      signingTokens: 'TWILIO_AUTH_TOKEN' in variables ? [TWILIO_AUTH_TOKEN] : [],
      apiUrl: null,
      ...twilio,
    });
  });

  it('reads what Twilio can do besides', () => {
    const template = `HX${'d'.repeat(32)}`;
    const { twilio } = readConfig({
      ...TWILIO,
      TWILIO_AUTH_TOKEN_SECONDARY: 'u'.repeat(32),
      TWILIO_WHATSAPP_FROM: '+14155550101',
      TWILIO_WHATSAPP_CONTENT_SID: template,
      TWILIO_CALL_FROM: '+14155550102',
      TWILIO_FEEDBACK: 'on',
    });
    expect(twilio).toMatchObject({
      whatsapp: { from: '+14155550101', contentSid: template },
      callFrom: '+14155550102',
      feedback: true,
      signingTokens: [TWILIO_AUTH_TOKEN, 'u'.repeat(32)],
    });
  });

  const HTTP = { HTTP_SENDER_URL: 'https://gateway.example/send?to={{to}}' };
  it.each<[variables: Record<string, string>, sender: string, others: object]>([
    [{}, 'inbox', { twilio: null, httpSender: null }],
    [HTTP, 'http', { twilio: null, httpSender: expect.anything() }],
    [{ ...HTTP, ...TWILIO }, 'twilio', { twilio: expect.anything(), httpSender: expect.anything() }],
    [
      { ...HTTP, ...TWILIO, MESSAGE_SENDER: 'http' },
      'http',
      { twilio: expect.anything(), httpSender: expect.anything() },
    ],
    [{ ...HTTP, ...TWILIO, MESSAGE_SENDER: 'inbox' }, 'inbox', { twilio: null, httpSender: null }],
  ])('with %j messages usually go by %s', (variables, sender, others) => {
    expect(readConfig(variables)).toMatchObject({ sender, ...others });
  });

  it('reads how another provider is asked', () => {
    const { httpSender } = readConfig({
      ...HTTP,
      HTTP_SENDER_HEADERS: '{"Authorization": "Bearer x"}',
      HTTP_SENDER_SUCCESS: '"status": *"ok"',
      HTTP_SENDER_CHANNELS: 'sms,call',
      HTTP_SENDER_ALLOW_PRIVATE: 'on',
    });
    expect(httpSender).toEqual({
      url: HTTP.HTTP_SENDER_URL,
      method: 'POST',
      headers: { Authorization: 'Bearer x' },
      body: '{"to": "{{to}}", "text": "{{body}}"}',
      success: '"status": *"ok"',
      channels: ['sms', 'call'],
      allowPrivate: true,
    });
  });

  it.each<[text: string, routes: object[], waitMs: number]>([
    ['sms>whatsapp>call@30s', [route('sms'), route('whatsapp'), route('call')], 30_000],
    ['sms > sms:http', [route('sms'), route('sms', 'http')], 20_000],
    ['sms:twilio>call@5m', [route('sms', 'twilio'), route('call')], 300_000],
  ])('reads the fallback %s', (FALLBACK, routes, waitMs) => {
    const all = { ...HTTP, TWILIO_WHATSAPP_FROM: TWILIO_FROM, TWILIO_CALL_FROM: TWILIO_FROM };
    expect(readConfig({ ...TWILIO, ...all, FALLBACK }).fallback).toEqual({ routes, waitMs });
  });

  it('says which link of the fallback nobody carries, and what it needs', () => {
    const rules = (FALLBACK: string) => errorOf({ ...TWILIO, FALLBACK }).faults.map(({ rule }) => rule);
    expect(rules('sms>call')).toEqual([expect.stringMatching(/names call, .*TWILIO_CALL_FROM/)]);
    expect(rules('sms>sms:http')).toEqual([expect.stringMatching(/names sms:http, .*HTTP_SENDER_URL/)]);
  });

  it.each<[what: string, variables: Record<string, string>, name: string]>([
    [
      'a GET that says nothing',
      { HTTP_SENDER_METHOD: 'GET', HTTP_SENDER_URL: 'https://a.example/' },
      'HTTP_SENDER_URL',
    ],
    ['JSON that is none', { ...HTTP, HTTP_SENDER_BODY: '{"to": {{to}}, bad' }, 'HTTP_SENDER_BODY'],
  ])('refuses %s', (_, variables, name) => {
    expect(errorOf(variables).faults).toEqual([{ name, rule: expect.any(String) }]);
  });

  it.each<Record<string, string>>([
    { HTTP_SENDER_BODY: '{"ttl":{{validForSeconds}}}' },
    {
      HTTP_SENDER_BODY: 'to={{to}}',
      HTTP_SENDER_HEADERS: '{"content-type": "application/x-www-form-urlencoded"}',
    },
    { HTTP_SENDER_METHOD: 'GET', HTTP_SENDER_BODY: 'unused' },
  ])('takes %j', (variables) => {
    expect(readConfig({ ...HTTP, ...variables }).httpSender).not.toBeNull();
  });

  it.each([
    ['sms>whatsapp', TWILIO],
    ['sms>call', { ...TWILIO, TWILIO_WHATSAPP_FROM: TWILIO_FROM }],
    ['sms>sms:http', TWILIO],
    ['sms>call:http', { ...TWILIO, ...HTTP }],
    ['sms>sms:twilio', {}],
  ])('refuses the fallback %s where nobody carries it', (FALLBACK, variables) => {
    expect(errorOf({ ...variables, FALLBACK }).faults).toEqual([
      { name: 'FALLBACK', rule: expect.any(String) },
    ]);
  });

  it('knows all channels with the inbox', () => {
    expect(readConfig({ FALLBACK: 'sms>whatsapp>call' }).fallback?.routes).toHaveLength(3);
  });

  function route(channel: string, sender: string | null = null) {
    return { channel, sender };
  }

  describe('with test numbers', () => {
    const TEST_PHONE_NUMBERS = '+15005550006=123456,+14155550100=98765432';
    const days = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();

    it('knows their codes and their end', () => {
      const { testNumbers } = readConfig({ TEST_PHONE_NUMBERS, TEST_PHONE_NUMBERS_UNTIL: '2027-01-31' });
      expect(testNumbers).toEqual({
        codes: { '+15005550006': '123456', '+14155550100': '98765432' },
        until: Date.parse('2027-01-31T00:00:00Z'),
      });
      expect(readConfig({ TEST_PHONE_NUMBERS }).testNumbers.until).toBeNull();
    });

    it.each([
      ['no end', {}],
      ['an end too far away', { TEST_PHONE_NUMBERS_UNTIL: days(91) }],
    ])('refuses %s in production', (_, variables) => {
      expect(errorOf({ ...PRODUCTION, TEST_PHONE_NUMBERS, ...variables }).faults).toEqual([
        { name: 'TEST_PHONE_NUMBERS_UNTIL', rule: expect.any(String) },
      ]);
    });

    it.each([89, -1])('takes an end that is %d days ahead there', (ahead) => {
      const TEST_PHONE_NUMBERS_UNTIL = days(ahead);
      expect(() => readConfig({ ...PRODUCTION, TEST_PHONE_NUMBERS, TEST_PHONE_NUMBERS_UNTIL })).not.toThrow();
    });
  });

  it('knows limits that only monitor, all of them or by name', () => {
    const all = [
      'cool_down',
      'sends_per_number',
      'sends_per_address',
      'checks_per_address',
      'guesses_per_number',
    ];
    expect(readConfig({ LIMIT_MODE: 'enforce' }).limits.monitored).toEqual([]);
    expect(readConfig({ LIMIT_MODE: 'monitor' }).limits.monitored).toEqual(all);
  });

  it('leaves Twilio alone when the inbox is asked for', () => {
    expect(readConfig({ ...TWILIO, MESSAGE_SENDER: 'inbox' }).twilio).toBeNull();
  });

  it('is frozen to the ground', () => {
    const config = readConfig(PRODUCTION);
    for (const part of [config, config.otp, config.limits.coolDownsMs, config.twilio])
      expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('parseDurationMs', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['48h', 172_800_000],
    ['30d', 2_592_000_000],
    ['007m', 420_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each([
    '',
    '5',
    '5 m',
    ' 5m',
    '5m\n',
    '-5m',
    '+5m',
    '1.5h',
    '1h30m',
    '5M',
    '5w',
    '1e3s',
    'm',
    '1234567890s',
  ])('refuses %j', (text) => {
    expect(parseDurationMs(text)).toBeNull();
  });
});

function errorOf(variables: Record<string, string | undefined>): ConfigurationError {
  try {
    readConfig(variables);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('this configuration was taken');
}
