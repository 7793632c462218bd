import { configurationErrorOf, PRODUCTION, TWILIO } from '../../../test/support/configuration.js';
import { parseDurationMs } from './duration.js';
import { readConfig } from './read-config.js';

const HTTP = { HTTP_SENDER_URL: 'https://gateway.example/send?to={{to}}' };
const { TWILIO_FROM, TWILIO_AUTH_TOKEN, TWILIO_ACCOUNT_SID } = TWILIO;
const TWILIO_API_KEY = `SK${'b'.repeat(32)}`;
const TWILIO_API_SECRET = 'k'.repeat(32);

describe('contradictions', () => {
  it('accepts production with its own Postgres, secret and provider', () => {
    expect(readConfig(PRODUCTION)).toMatchObject({ production: true, migrateOnStart: false });
    expect(readConfig({ ...PRODUCTION, MIGRATE_ON_START: 'on' }).migrateOnStart).toBe(true);
  });

  it('rejects every embedded or generated default in production at once', () => {
    expect(configurationErrorOf({ NODE_ENV: 'production' }).faults.map(({ name }) => name)).toEqual([
      'DATABASE_URL',
      'SECRET',
      'MESSAGE_SENDER',
    ]);
    expect(
      configurationErrorOf({ ...PRODUCTION, MESSAGE_SENDER: 'inbox' }).faults.map(({ name }) => name),
    ).toEqual(['MESSAGE_SENDER']);
  });

  it.each([
    ['a default language that is not allowed', { LOCALES: 'en,fr', DEFAULT_LOCALE: 'de' }, 'DEFAULT_LOCALE'],
    ['Twilio without an account', { TWILIO_AUTH_TOKEN, TWILIO_FROM }, 'TWILIO_ACCOUNT_SID'],
    ['Twilio without credentials', { TWILIO_ACCOUNT_SID, TWILIO_FROM }, 'TWILIO_AUTH_TOKEN'],
    ['Twilio without a sender', { TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN }, 'TWILIO_FROM'],
    ['an API key without its secret', { ...TWILIO, TWILIO_API_KEY }, 'TWILIO_API_KEY'],
    ["an API key's secret without the key", { ...TWILIO, TWILIO_API_SECRET }, 'TWILIO_API_KEY'],
    ['a previous secret without a secret', { SECRET_PREVIOUS: 's'.repeat(32) }, 'SECRET_PREVIOUS'],
    ['the HTTP provider without a URL', { MESSAGE_SENDER: 'http' }, 'HTTP_SENDER_URL'],
    ['webhooks without a secret', { WEBHOOK_URL: 'https://app.example/hook' }, 'WEBHOOK_SECRET'],
    ['a secret of webhooks without a URL', { WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}` }, 'WEBHOOK_URL'],
    ['the default inbox in a process that sends nothing', { BACKGROUND: 'off' }, 'BACKGROUND'],
    ['the inbox in several processes', { WORKERS: '2' }, 'WORKERS'],
    [
      'a chosen inbox in a process that sends nothing',
      { ...TWILIO, MESSAGE_SENDER: 'inbox', BACKGROUND: 'off' },
      'BACKGROUND',
    ],
  ])('rejects %s', (_, variables, name) => {
    expect(configurationErrorOf(variables).faults).toEqual([{ name, rule: expect.any(String) }]);
  });

  it('requires a template for WhatsApp by Twilio, except in the sandbox in development', () => {
    const whatsapp = { ...TWILIO, TWILIO_WHATSAPP_FROM: TWILIO_FROM };
    const sandbox = { ...TWILIO, TWILIO_WHATSAPP_FROM: '+14155238886' };
    for (const variables of [whatsapp, { ...PRODUCTION, ...whatsapp }, { ...PRODUCTION, ...sandbox }])
      expect(configurationErrorOf(variables).faults).toEqual([
        { name: 'TWILIO_WHATSAPP_CONTENT_SID', rule: expect.any(String) },
      ]);
    const template = { TWILIO_WHATSAPP_CONTENT_SID: `HX${'0'.repeat(32)}` };
    expect(() => readConfig({ ...PRODUCTION, ...whatsapp, ...template })).not.toThrow();
    expect(() => readConfig(sandbox)).not.toThrow();
    expect(() => readConfig({ ...whatsapp, MESSAGE_SENDER: 'inbox' })).not.toThrow();
  });

  it('accepts languages that are not built in with a file of messages only', () => {
    const languages = { LOCALES: 'nl,en', DEFAULT_LOCALE: 'nl' };
    expect(configurationErrorOf(languages).faults.map(({ name }) => name)).toEqual([
      'DEFAULT_LOCALE',
      'LOCALES',
    ]);
    expect(readConfig({ ...languages, MESSAGES_FILE: 'messages.json' })).toMatchObject({
      ...{ locales: ['nl', 'en'], defaultLocale: 'nl', messagesFile: 'messages.json' },
    });
  });

  it('lists every Twilio variable that is missing', () => {
    expect(configurationErrorOf({ MESSAGE_SENDER: 'twilio' }).faults.map(({ name }) => name)).toEqual([
      'TWILIO_ACCOUNT_SID',
      'TWILIO_AUTH_TOKEN',
      'TWILIO_FROM',
    ]);
  });

  it.each<[what: string, variables: Record<string, string>, name: string]>([
    [
      'a GET request without placeholders',
      { HTTP_SENDER_METHOD: 'GET', HTTP_SENDER_URL: 'https://a.example/' },
      'HTTP_SENDER_URL',
    ],
    ['a refresh before the end of the token', { TOKEN_TTL: '2h', REFRESH_TTL: '1h' }, 'REFRESH_TTL'],
    ['a session that is shorter than its token', { SESSION_MAX_AGE: '47h' }, 'SESSION_MAX_AGE'],
    [
      'a session that cannot be refreshed for so long',
      { REFRESH_TTL: '60d', SESSION_MAX_AGE: '59d' },
      'SESSION_MAX_AGE',
    ],
    [
      'a number that is recycled during a session',
      { REFRESH_TTL: '60d', RECYCLED_AFTER: '59d' },
      'RECYCLED_AFTER',
    ],
    ['a JSON body that is not JSON', { ...HTTP, HTTP_SENDER_BODY: '{"to": {{to}}, bad' }, 'HTTP_SENDER_BODY'],
  ])('rejects %s', (_, variables, name) => {
    expect(configurationErrorOf(variables).faults).toEqual([{ name, rule: expect.any(String) }]);
  });

  it.each<[variables: Record<string, string>, ...lifetimes: string[]]>([
    [{}, '48h', '30d', '90d', '180d'],
    [{ TOKEN_TTL: '60d' }, '60d', '60d', '90d', '180d'],
    [{ REFRESH_TTL: '200d' }, '48h', '200d', '200d', '200d'],
    [{ SESSION_MAX_AGE: '7d' }, '48h', '7d', '7d', '180d'],
    [{ TOKEN_TTL: '1m', REFRESH_TTL: '1m', SESSION_MAX_AGE: '1m' }, '1m', '1m', '1m', '180d'],
  ])('keeps the lifetimes of sessions with %j in their order', (variables, ...expected) => {
    const { ttlMs, refreshTtlMs, maxAgeMs, recycledAfterMs } = readConfig(variables).sessions;
    expect([ttlMs, refreshTtlMs, maxAgeMs, recycledAfterMs]).toEqual(
      expected.map((text) => parseDurationMs(text)),
    );
  });

  it.each<Record<string, string>>([
    { HTTP_SENDER_BODY: '{"ttl":{{validForSeconds}}}' },
    {
      HTTP_SENDER_BODY: 'to={{to}}',
      HTTP_SENDER_HEADERS: '{"content-type": "application/x-www-form-urlencoded"}',
    },
    { HTTP_SENDER_METHOD: 'GET', HTTP_SENDER_BODY: 'unused' },
  ])('accepts the HTTP request of %j', (variables) => {
    expect(readConfig({ ...HTTP, ...variables }).httpProvider).not.toBeNull();
  });

  it('names the fallback route without a provider and the variables to set', () => {
    const rules = (FALLBACK: string) =>
      configurationErrorOf({ ...TWILIO, FALLBACK }).faults.map(({ rule }) => rule);
    expect(rules('sms>call')).toEqual([expect.stringMatching(/names call, .*TWILIO_CALL_FROM/)]);
    expect(rules('sms>sms:http')).toEqual([expect.stringMatching(/names sms:http, .*HTTP_SENDER_URL/)]);
  });

  it.each([
    ['sms>whatsapp', TWILIO],
    ['sms>call', { ...TWILIO, TWILIO_WHATSAPP_FROM: '+14155238886' }],
    ['sms>sms:http', TWILIO],
    ['sms>call:http', { ...TWILIO, ...HTTP }],
    ['sms>sms:twilio', {}],
  ])('rejects the fallback %s when no provider carries it', (FALLBACK, variables) => {
    expect(configurationErrorOf({ ...variables, FALLBACK }).faults).toEqual([
      { name: 'FALLBACK', rule: expect.any(String) },
    ]);
  });

  it('accepts a fallback over every channel with the inbox', () => {
    expect(readConfig({ FALLBACK: 'sms>whatsapp>call' }).fallback?.routes).toHaveLength(3);
  });

  describe('with test numbers in production', () => {
    const TEST_PHONE_NUMBERS = '+15005550006=123456,+14155550100=98765432';
    const days = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();

    it.each([
      ['no end date', {}],
      ['an end date too far ahead', { TEST_PHONE_NUMBERS_UNTIL: days(91) }],
    ])('rejects %s', (_, variables) => {
      expect(configurationErrorOf({ ...PRODUCTION, TEST_PHONE_NUMBERS, ...variables }).faults).toEqual([
        { name: 'TEST_PHONE_NUMBERS_UNTIL', rule: expect.any(String) },
      ]);
    });

    it.each([89, -1])('accepts an end date %d days ahead', (ahead) => {
      const TEST_PHONE_NUMBERS_UNTIL = days(ahead);
      expect(() => readConfig({ ...PRODUCTION, TEST_PHONE_NUMBERS, TEST_PHONE_NUMBERS_UNTIL })).not.toThrow();
    });
  });
});
