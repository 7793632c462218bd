import { resolve } from 'node:path';
import { configurationErrorOf, PRODUCTION, TWILIO } from '../../../test/support/configuration.js';
import { Environment } from './environment.js';
import { readConfig } from './read-config.js';

describe('readConfig', () => {
  it('returns defaults when no variable is set', () => {
    expect(readConfig({})).toEqual({
      production: false,
      host: '127.0.0.1',
      port: 4000,
      publicUrl: null,
      dataDir: resolve('.data'),
      databaseUrl: null,
      databaseSchema: null,
      databasePoolSize: 20,
      databaseTimeoutMs: 1_500,
      redisUrl: null,
      secret: null,
      allowedOrigins: { patterns: ['http://localhost:*', 'http://127.0.0.1:*'], credentials: false },
      secretPrevious: null,
      provider: 'inbox',
      twilio: null,
      httpProvider: null,
      fallback: null,
      brand: 'Latchkey',
      autofill: { origin: null, appHashes: [] },
      testNumbers: { codes: {}, until: null },
      defaultRegion: null,
      newNumberRanges: [],
      locales: null,
      defaultLocale: null,
      messagesFile: null,
      otp: { ttlMs: 300_000, length: 6, maxAttempts: 5 },
      sessions: {
        ttlMs: 172_800_000,
        refreshTtlMs: 2_592_000_000,
        maxAgeMs: 7_776_000_000,
        reuseWindowMs: 30_000,
        recycledAfterMs: 180 * 86_400_000,
        recycledNumbers: 'new_account',
      },
      sessionCookie: false,
      forwardPhone: false,
      signUpNumericIds: false,
      allowedCountries: null,
      trustedProxies: [],
      keepAliveTimeoutMs: 75_000,
      maxConnections: 5_000,
      maxConnectionsPerAddress: 2_500,
      shutdownDelayMs: 0,
      limits: {
        coolDownsMs: [30_000, 60_000, 120_000, 300_000],
        sendsPerNumber: [
          { points: 5, seconds: 600 },
          { points: 10, seconds: 86_400 },
        ],
        sendsPerAddress: [{ points: 30, seconds: 600 }],
        checksPerAddress: [{ points: 60, seconds: 600 }],
        monitored: ['cool_down', 'sends_per_number', 'sends_per_address', 'checks_per_address'],
      },
      breakerEnforced: false,
      trial: true,
      spendCaps: { perDay: 1_000, perCountry: 500 },
      pricesFile: null,
      policyFile: null,
      operatorToken: null,
      clientsFile: null,
      eventsKeptMs: 34_560_000_000,
      jwtAudiences: [],
      background: true,
      workers: 1,
      metricsPort: null,
      drainTimeoutMs: 10_000,
      migrateOnStart: true,
      docs: true,
      logLevel: 'info',
      webhooks: null,
      warnings: [],
    });
  });

  it('prefers set variables to the defaults', () => {
    expect(
      readConfig({
        HOST: '::1',
        PORT: '0',
        PUBLIC_URL: 'https://id.example.org//',
        ALLOWED_ORIGINS: 'https://app.example.org, https://*.example.net',
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
        REFRESH_REUSE_WINDOW: '0s',
        RECYCLED_NUMBERS: 'refuse',
        SESSION_COOKIE: 'on',
        FORWARD_PHONE: 'on',
        ALLOWED_COUNTRIES: 'FR, BE,+870',
        NEW_NUMBER_RANGES: '+8619, +91592',
        LOCALES: 'en, fr,zh-Hant',
        DEFAULT_LOCALE: 'fr',
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
      allowedOrigins: { patterns: ['https://app.example.org', 'https://*.example.net'], credentials: true },
      dataDir: '/var/lib/latchkey',
      databaseUrl: 'postgresql://latchkey@db/latchkey',
      redisUrl: 'rediss://cache',
      secret: 's'.repeat(32),
      secretPrevious: 'é'.repeat(16),
      defaultRegion: 'FR',
      otp: { ttlMs: 600_000, length: 10, maxAttempts: 1 },
      sessions: {
        ttlMs: 31_536_000_000,
        refreshTtlMs: 31_536_000_000,
        maxAgeMs: 31_536_000_000,
        reuseWindowMs: 0,
        recycledAfterMs: 31_536_000_000,
        recycledNumbers: 'refuse',
      },
      sessionCookie: true,
      forwardPhone: true,
      allowedCountries: ['FR', 'BE', '+870'],
      newNumberRanges: ['+8619', '+91592'],
      locales: ['en', 'fr', 'zh-Hant'],
      defaultLocale: 'fr',
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

  it.each(['', ' ', '\t\n'])('treats the empty value %j as unset', (empty) => {
    const variables = Object.keys(new Environment()).map((name) => [name, empty]);
    expect(readConfig(Object.fromEntries(variables))).toEqual(readConfig({}));
  });

  it('ignores unknown variables', () => {
    expect(readConfig({ PATH: '/bin', constructor: 'x', toString: 'x' })).toEqual(readConfig({}));
  });

  describe('for a trial, development with the inbox', () => {
    it.each([
      [
        { LIMIT_COOL_DOWN: '30s,60s,120s,300s' },
        ['sends_per_number', 'sends_per_address', 'checks_per_address'],
      ],
      [{ LIMIT_MODE: 'enforce' }, []],
      [{ LIMIT_MODE: 'cool_down, checks_per_address' }, ['cool_down', 'checks_per_address']],
      [{ NODE_ENV: 'test' }, []],
      [TWILIO, []],
      [PRODUCTION, []],
    ])('monitors the limits that are not set (%j)', (variables, monitored) => {
      expect(readConfig(variables).limits.monitored).toEqual(monitored);
    });

    it.each([
      [{}, false],
      [{ BREAKER_MODE: 'enforce' }, true],
      [{ NODE_ENV: 'test' }, true],
      [TWILIO, true],
      [PRODUCTION, true],
    ])('monitors the breaker unless it is set (%j)', (variables, enforced) => {
      expect(readConfig(variables).breakerEnforced).toBe(enforced);
    });
  });

  it('accepts spaces in lists', () => {
    const config = readConfig({
      ALLOWED_COUNTRIES: 'US, CA',
      TRUSTED_PROXIES: '10.0.0.0/8, 172.16.0.0/12',
      LIMIT_COOL_DOWN: '1s , 2s',
      LIMIT_SENDS_PER_NUMBER: '5/10m, 10/24h',
      HTTP_SENDER_URL: 'https://sms.example/send',
      HTTP_SENDER_CHANNELS: 'sms, call',
      FALLBACK: 'sms > call @ 20s',
      TEST_PHONE_NUMBERS: '+15005550006=493816, +15005550007=682204',
    });
    expect(config).toMatchObject({
      allowedCountries: ['US', 'CA'],
      trustedProxies: ['10.0.0.0/8', '172.16.0.0/12'],
      limits: { coolDownsMs: [1_000, 2_000], sendsPerNumber: [{ points: 5 }, { points: 10 }] },
      httpProvider: { channels: ['sms', 'call'] },
      fallback: { waitMs: 20_000 },
      testNumbers: { codes: { '+15005550006': '493816', '+15005550007': '682204' } },
    });
  });

  describe('warns', () => {
    it.each<[what: string, variables: Record<string, string>, warning: RegExp | null]>([
      ['without PUBLIC_URL', {}, /^PUBLIC_URL is not set/],
      ['of an http PUBLIC_URL', { PUBLIC_URL: 'http://id.example' }, /^PUBLIC_URL starts with http:/],
      ['of an HTTP PUBLIC_URL', { PUBLIC_URL: 'HTTP://id.example' }, /^PUBLIC_URL starts with http:/],
      ['not of an https PUBLIC_URL', { PUBLIC_URL: 'https://id.example' }, null],
    ])('in production %s', (_, variables, warning) => {
      const { warnings } = readConfig({ ...PRODUCTION, ALLOWED_COUNTRIES: 'US', ...variables });
      expect(warnings).toEqual(warning === null ? [] : [expect.stringMatching(warning)]);
    });

    it('in production without ALLOWED_COUNTRIES', () => {
      const { warnings } = readConfig({ ...PRODUCTION, PUBLIC_URL: 'https://id.example' });
      expect(warnings).toEqual([expect.stringMatching(/^ALLOWED_COUNTRIES is not set/)]);
    });

    it.each([
      ['http://gateway.example/send', true],
      ['http://gateway.example:8080/send?to={{to}}', true],
      ['http://10.0.0.7/send', true],
      ['http://[fd00::7]/send', true],
      ['http://localhost.example/send', true],
      ['https://gateway.example/send', false],
      ['http://localhost:8080/send', false],
      ['http://gateway.localhost/send', false],
      ['http://127.0.0.1/send', false],
      ['http://127.1/send', false],
      ['http://[::1]/send', false],
      ['http://[::ffff:127.0.0.1]/send', false],
    ])('in production of the gateway %s: %s', (HTTP_SENDER_URL, warned) => {
      const reachable = { ...PRODUCTION, ALLOWED_COUNTRIES: 'US', PUBLIC_URL: 'https://id.example' };
      const expected = warned ? [expect.stringMatching(/^HTTP_SENDER_URL starts with http:/)] : [];
      const asFallback = { ...reachable, HTTP_SENDER_URL };
      expect(readConfig(asFallback).warnings).toEqual(expected);
      expect(readConfig({ ...asFallback, MESSAGE_SENDER: 'http' }).warnings).toEqual(expected);
      expect(readConfig({ HTTP_SENDER_URL }).warnings).toEqual([]);
    });

    it('of a SECRET that looks like the secret of a client', () => {
      const [warning, ...others] = readConfig({ SECRET: `sk_${'a'.repeat(43)}` }).warnings;
      expect([warning, others]).toEqual([expect.stringMatching(/^SECRET begins with sk_/), []]);
      expect(readConfig({ SECRET: 's'.repeat(43) }).warnings).toEqual([]);
    });

    it('in production of a receiver of webhooks on another machine without TLS', () => {
      const variables = { ...PRODUCTION, ALLOWED_COUNTRIES: 'US', PUBLIC_URL: 'https://id.example' };
      const WEBHOOK_SECRET = `whsec_${'A'.repeat(32)}`;
      const warningsOf = (WEBHOOK_URL: string) =>
        readConfig({ ...variables, WEBHOOK_SECRET, WEBHOOK_URL }).warnings;
      expect(warningsOf('http://app.example/')).toEqual([expect.stringMatching(/^WEBHOOK_URL starts/)]);
      expect(warningsOf('http://127.0.0.1/')).toEqual([]);
      expect(warningsOf('https://app.example/')).toEqual([]);
    });

    it.each([
      ['http://twilio-proxy.example', true],
      ['http://127.0.0.1:4010', false],
      ['https://api.ie1.twilio.com', false],
    ])('in production of the address %s of Twilio: %s', (TWILIO_API_URL, warned) => {
      const { warnings } = readConfig({ ...PRODUCTION, TWILIO_API_URL });
      expect(warnings.some((line) => /^TWILIO_API_URL starts with http:/.test(line))).toBe(warned);
    });

    it.each([
      ['a-token-for-operators', true],
      ['operatoroperator', true],
      ['1212121212121212', true],
      ['9f2c51d07be84a63', false],
      ['Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=', false],
    ])('in production of the operator token %s: %s', (OPERATOR_TOKEN, warned) => {
      const { warnings } = readConfig({ ...PRODUCTION, OPERATOR_TOKEN });
      expect(warnings.some((line) => /^OPERATOR_TOKEN may be guessable/.test(line))).toBe(warned);
      expect(warnings.join()).not.toContain(OPERATOR_TOKEN);
    });

    it.each([
      ['https://app.example.com,http://app.example.com', true],
      ['https://app.example.com,https://*.example.com', false],
      ['http://localhost:5173', false],
    ])('in production of the allowed origins %s: %s', (ALLOWED_ORIGINS, warned) => {
      const { warnings } = readConfig({ ...PRODUCTION, ALLOWED_ORIGINS });
      expect(warnings.some((line) => /^ALLOWED_ORIGINS has an origin with http:/.test(line))).toBe(warned);
    });

    it.each([
      ['0.0.0.0', true],
      ['::', true],
      ['192.168.1.2', true],
      ['example.com', true],
      ['127.0.0.1', false],
      ['127.0.0.5', false],
      ['::1', false],
      ['localhost', false],
    ])('of the inbox at the address %s: %s', (HOST, warned) => {
      expect(readConfig({ HOST }).warnings.some((line) => /read every code/.test(line))).toBe(warned);
      expect(readConfig({ HOST, ...TWILIO }).warnings).toEqual([]);
    });

    it.each([
      ['TWILIO_AUTH_TOKN', 'TWILIO_AUTH_TOKEN'],
      ['TWILIO_MESSAGING_SERVICE', 'TWILIO_MESSAGING_SERVICE_SID'],
      ['LIMIT_SENDS_PER_IP', 'LIMIT_SENDS_PER_NUMBER'],
      ['HTTP_SENDER_HEADER', 'HTTP_SENDER_HEADERS'],
      ['ALLOWED_COUNTRY', null],
      ['TRUSTED_PROXYS', 'TRUSTED_PROXIES'],
      ['DATABSE_URL', 'DATABASE_URL'],
      ['HOME', null],
      ['HOSTNAME', null],
      ['npm_config_cache', null],
    ])('of the unknown variable %s', (name, nearest) => {
      const { warnings } = readConfig({ [name]: 'hunter2' });
      expect(warnings).toEqual(nearest === null ? [] : [expect.stringContaining(`Is ${nearest} meant?`)]);
      expect(warnings.join()).not.toContain('hunter2');
    });
  });

  it('never repeats a value in an error, because it may be a secret', () => {
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
    const error = configurationErrorOf(secrets);
    const said = [error.message, error.stack, JSON.stringify(error)].join();
    for (const [name, value] of Object.entries(secrets)) {
      expect(said).toContain(name);
      expect(said).not.toContain(value);
    }
    expect(said).not.toMatch(/hunter2|correct-horse/);
  });

  it('lists the monitored limits: none, or all of them', () => {
    const all = [
      'cool_down',
      'sends_per_number',
      'sends_per_address',
      'sends_per_client',
      'checks_per_address',
      'checks_per_client',
      'guesses_per_number',
    ];
    expect(readConfig({ LIMIT_MODE: 'enforce' }).limits.monitored).toEqual([]);
    expect(readConfig({ LIMIT_MODE: 'monitor' }).limits.monitored).toEqual(all);
  });

  it('returns a deeply frozen configuration', () => {
    const config = readConfig(PRODUCTION);
    for (const part of [config, config.otp, config.limits.coolDownsMs, config.twilio])
      expect(Object.isFrozen(part)).toBe(true);
  });
});
