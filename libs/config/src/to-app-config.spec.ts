import { PRODUCTION, TWILIO } from '../../../test/support/configuration.js';
import { readConfig } from './read-config.js';

const HTTP = { HTTP_SENDER_URL: 'https://gateway.example/send?to={{to}}' };
const { TWILIO_FROM, TWILIO_AUTH_TOKEN, TWILIO_ACCOUNT_SID } = TWILIO;
const TWILIO_API_KEY = `SK${'b'.repeat(32)}`;
const TWILIO_API_SECRET = 'k'.repeat(32);

describe('the message providers', () => {
  it.each<[variables: Record<string, string>, provider: string, others: object]>([
    [{}, 'inbox', { twilio: null, httpProvider: null }],
    [HTTP, 'http', { twilio: null, httpProvider: expect.anything() }],
    [{ ...HTTP, ...TWILIO }, 'twilio', { twilio: expect.anything(), httpProvider: expect.anything() }],
    [
      { ...HTTP, ...TWILIO, MESSAGE_SENDER: 'http' },
      'http',
      { twilio: expect.anything(), httpProvider: expect.anything() },
    ],
    [{ ...HTTP, ...TWILIO, MESSAGE_SENDER: 'inbox' }, 'inbox', { twilio: null, httpProvider: null }],
  ])('from %j choose %s as the default', (variables, provider, others) => {
    expect(readConfig(variables)).toMatchObject({ provider, ...others });
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
  ])('authenticate to Twilio with %s', (_, variables, twilio) => {
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

  it('include the optional features of Twilio', () => {
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

  it('leave Twilio out when the inbox is chosen', () => {
    expect(readConfig({ ...TWILIO, MESSAGE_SENDER: 'inbox' }).twilio).toBeNull();
  });

  it('include the request to the HTTP gateway', () => {
    const { httpProvider } = readConfig({
      ...HTTP,
      HTTP_SENDER_HEADERS: '{"Authorization": "Bearer x"}',
      HTTP_SENDER_SUCCESS: '"status": *"ok"',
      HTTP_SENDER_CHANNELS: 'sms,call',
      HTTP_SENDER_ALLOW_PRIVATE: 'on',
    });
    expect(httpProvider).toEqual({
      url: HTTP.HTTP_SENDER_URL,
      method: 'POST',
      headers: { Authorization: 'Bearer x' },
      body: '{"to": "{{to}}", "text": "{{body}}"}',
      success: '"status": *"ok"',
      channels: ['sms', 'call'],
      allowPrivate: true,
    });
  });
});

describe('the fallback', () => {
  it.each<[text: string, routes: object[], waitMs: number]>([
    ['sms>whatsapp>call@30s', [route('sms'), route('whatsapp'), route('call')], 30_000],
    ['sms > sms:http', [route('sms'), route('sms', 'http')], 20_000],
    ['sms:twilio>call@5m', [route('sms', 'twilio'), route('call')], 300_000],
  ])('is read from %s', (FALLBACK, routes, waitMs) => {
    const all = { ...HTTP, TWILIO_WHATSAPP_FROM: '+14155238886', TWILIO_CALL_FROM: TWILIO_FROM };
    expect(readConfig({ ...TWILIO, ...all, FALLBACK }).fallback).toEqual({ routes, waitMs });
  });

  function route(channel: string, provider: string | null = null) {
    return { channel, provider };
  }
});

describe('the allowed origins', () => {
  it('are those of this machine by default, and none in production', () => {
    expect(readConfig({}).allowedOrigins.patterns).toEqual(['http://localhost:*', 'http://127.0.0.1:*']);
    expect(readConfig(PRODUCTION).allowedOrigins).toEqual({ patterns: [], credentials: false });
  });
});

describe('the test numbers', () => {
  const TEST_PHONE_NUMBERS = '+15005550006=123456,+14155550100=98765432';

  it('have codes and an end date', () => {
    const { testNumbers } = readConfig({ TEST_PHONE_NUMBERS, TEST_PHONE_NUMBERS_UNTIL: '2027-01-31' });
    expect(testNumbers).toEqual({
      codes: { '+15005550006': '123456', '+14155550100': '98765432' },
      until: Date.parse('2027-01-31T00:00:00Z'),
    });
    expect(readConfig({ TEST_PHONE_NUMBERS }).testNumbers.until).toBeNull();
  });

  it.each([
    [{}, { origin: null, appHashes: [] }],
    [{ SMS_APP_HASH: 'FA+9qCX9VSu' }, { origin: null, appHashes: ['FA+9qCX9VSu'] }],
    [
      { SMS_ORIGIN: 'example.com', SMS_APP_HASHES: 'FA+9qCX9VSu, AbCdEfGhIjK' },
      { origin: 'example.com', appHashes: ['FA+9qCX9VSu', 'AbCdEfGhIjK'] },
    ],
    [
      { SMS_APP_HASH: 'AbCdEfGhIjK', SMS_APP_HASHES: 'FA+9qCX9VSu,AbCdEfGhIjK' },
      { origin: null, appHashes: ['AbCdEfGhIjK', 'FA+9qCX9VSu'] },
    ],
  ])('reads from %j who may fill in a code: %j', (variables, autofill) => {
    expect(readConfig(variables).autofill).toEqual(autofill);
  });
});

describe('the spending cap of one country', () => {
  it.each([
    [{}, 500],
    [{ SPEND_CAP_PER_DAY: '100' }, 50],
    [{ SPEND_CAP_PER_DAY: '100', SPEND_CAP_PER_COUNTRY: '12.5%' }, 12.5],
    [{ SPEND_CAP_PER_DAY: '100', SPEND_CAP_PER_COUNTRY: '500' }, 500],
    [{ SPEND_CAP_PER_DAY: '100', ALLOWED_COUNTRIES: 'US' }, 100],
    [{ SPEND_CAP_PER_DAY: '100', ALLOWED_COUNTRIES: 'US,CA' }, 50],
    [{ SPEND_CAP_PER_DAY: '100', SPEND_CAP_PER_COUNTRY: '20%', ALLOWED_COUNTRIES: 'US' }, 20],
  ])('of %j is %d', (variables, perCountry) => {
    expect(readConfig(variables).spendCaps.perCountry).toBe(perCountry);
  });
});

describe('webhooks', () => {
  const [first, second] = [`whsec_${'A'.repeat(32)}`, `whsec_${'b3du'.repeat(11)}`];
  const WEBHOOK_URL = 'https://hook:password@app.example/latchkey?key=1';

  it('have by default masked numbers, no private receiver, and tries over a day', () => {
    const { webhooks } = readConfig({ WEBHOOK_URL, WEBHOOK_SECRET: first });
    expect(webhooks).toEqual({
      ...{ url: WEBHOOK_URL, secrets: [first], allowPrivate: false, numbers: false },
      retryWaitsMs: [5_000, 60_000, 300_000, 1_800_000, 10_800_000, 28_800_000, 43_200_000],
    });
  });

  it('are read with every setting', () => {
    const { webhooks } = readConfig({
      ...{ WEBHOOK_URL, WEBHOOK_SECRET: `${first}, ${second}`, WEBHOOK_NUMBERS: 'on' },
      ...{ WEBHOOK_ALLOW_PRIVATE: 'on', WEBHOOK_RETRIES: '1s,2s' },
    });
    const settings = { allowPrivate: true, numbers: true, retryWaitsMs: [1_000, 2_000] };
    expect(webhooks).toEqual({ url: WEBHOOK_URL, secrets: [first, second], ...settings });
  });
});
