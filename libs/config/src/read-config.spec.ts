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
      redisUrl: null,
      secret: null,
      secretPrevious: null,
      provider: 'inbox',
      twilio: null,
      httpProvider: null,
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

  it('prefers set variables to the defaults', () => {
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

  it.each(['', ' ', '\t\n'])('treats the empty value %j as unset', (empty) => {
    const variables = Object.keys(new Environment()).map((name) => [name, empty]);
    expect(readConfig(Object.fromEntries(variables))).toEqual(readConfig({}));
  });

  it('ignores unknown variables', () => {
    expect(readConfig({ PATH: '/bin', constructor: 'x', toString: 'x' })).toEqual(readConfig({}));
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
      'checks_per_address',
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
