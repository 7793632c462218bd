import dns from 'node:dns';
import { inspect } from 'node:util';
import type { TwilioConfig } from '#config';
import type { PhoneNumber } from '#phone';
import { failureOf } from '../../../test/support/failure.js';
import { type Answer, FakeTwilio } from '../../../test/support/fake-twilio.js';
import { twilioConfigFor } from '../../../test/support/twilio-config.js';
import { MAX_CONNECTIONS } from './max-connections.js';
import {
  type Failure,
  type Message,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';
import { TwilioProvider } from './message-provider.twilio.js';

const MESSAGE = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: '739145 is your code',
  code: '739145',
  locale: 'en',
  validForSeconds: 300,
  reference: 'ver/1.2',
} as const satisfies Message;

const CALLBACK = 'https://id.example.test/v1/webhooks/twilio';
const WHATSAPP = { from: '+15005550007', contentSid: null };
const CONTENT_SID = `HX${'0'.repeat(32)}`;
const CALL_FROM = '+15005550008';

/** Longer than a loopback answer takes, and short enough for a test. */
const SHORT_LIMIT_MS = 1_500;

/** Long enough to send messages in, also on a busy machine. Messages that wait for a connection need several times as long. */
const QUEUE_LIMIT_MS = 3_000;

/** Stops the event loop. */
function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('TwilioProvider', () => {
  let fake: FakeTwilio;

  beforeEach(async () => {
    fake = await FakeTwilio.start();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await fake.stop();
  });

  it("sends a message and returns Twilio's SID", async () => {
    const receipt = await twilioProvider().send(MESSAGE);

    const { to, body } = MESSAGE;
    expect(fake.messages).toEqual([
      expect.objectContaining({
        sid: receipt.providerId,
        to,
        body,
        from: '+15005550006',
        validityPeriod: 300,
      }),
    ]);
    expect(fake.requests).toHaveLength(1);
  });

  it.each<[what: string, config: Partial<TwilioConfig>, channels: string[]]>([
    ['SMS alone', { whatsapp: null, callFrom: null }, ['sms']],
    ['SMS and WhatsApp', { callFrom: null }, ['sms', 'whatsapp']],
    ['SMS and calls', { whatsapp: null }, ['sms', 'call']],
    ['all channels', {}, ['sms', 'whatsapp', 'call']],
  ])('carries the configured channels: %s', (_, config, channels) => {
    expect(twilioProvider(config)).toMatchObject({ name: 'twilio', channels });
  });

  it('sends a WhatsApp message as text when no template is configured', async () => {
    await twilioProvider().send({ ...MESSAGE, channel: 'whatsapp' });

    expect(formOf(fake)).toEqual({
      To: `whatsapp:${MESSAGE.to}`,
      From: `whatsapp:${WHATSAPP.from}`,
      Body: MESSAGE.body,
      ValidityPeriod: '300',
    });
  });

  it('sends a WhatsApp message as a template with the code, without the text', async () => {
    await twilioProvider({ whatsapp: { ...WHATSAPP, contentSid: CONTENT_SID } }).send({
      ...MESSAGE,
      channel: 'whatsapp',
    });

    expect(formOf(fake)).toEqual({
      To: `whatsapp:${MESSAGE.to}`,
      From: `whatsapp:${WHATSAPP.from}`,
      ContentSid: CONTENT_SID,
      ContentVariables: '{"1":"739145"}',
      ValidityPeriod: '300',
    });
  });

  it('speaks the message twice in a call', async () => {
    const { providerId } = await twilioProvider().send({
      ...MESSAGE,
      channel: 'call',
      body: 'Ihr Code: 7, 3 & 9 <b>',
      locale: 'de',
    });

    expect(providerId).toMatch(/^CA/);
    const speech = '<Say language="de-DE">Ihr Code: 7, 3 &amp; 9 &lt;b&gt;</Say>';
    expect(formOf(fake)).toEqual({
      To: MESSAGE.to,
      From: CALL_FROM,
      Timeout: '30',
      MachineDetection: 'Enable',
      MachineDetectionTimeout: '8',
      Twiml: expect.stringContaining(`<Response>${speech}<Pause length="1"/>${speech}</Response>`),
    });
  });

  it.each([
    [12.7, '12'],
    [300, '30'],
    [-1, '5'],
  ])(
    'rings no longer than the code is valid: for %d s, the timeout is %s',
    async (validForSeconds, Timeout) => {
      await twilioProvider().send({ ...MESSAGE, channel: 'call', validForSeconds });

      expect(formOf(fake)).toMatchObject({ Timeout });
    },
  );

  describe.each(['sms', 'whatsapp', 'call'] as const)('on the channel %s', (channel) => {
    it('requests reports and returns a receipt that announces them', async () => {
      const receipt = await twilioProvider({}, undefined, CALLBACK).send({ ...MESSAGE, channel });

      expect(receipt.status).toBe('accepted');
      const [message] = fake.messages;
      expect(message?.statusCallback).toBe(`${CALLBACK}?message=ver%2F1.2#rc=5&rp=5xx,ct,rt`);
    });

    it('requests no reports without a callback URL, and returns a receipt that announces none', async () => {
      const receipt = await twilioProvider().send({ ...MESSAGE, channel });

      expect(receipt.status).toBe('sent');
      expect(formOf(fake)).not.toHaveProperty('StatusCallback');
    });

    it('does not expose credentials or the message in the error of a refusal', async () => {
      fake.answer({ refuse: 21211 });

      const error = await failureOf(twilioProvider().send({ ...MESSAGE, channel }));

      expect(error).toEqual(new SendRefused(badNumber('21211', 'invalid_number')));
      expectNoSecretsIn(error);
    });
  });

  it('requests reports when a call is answered and completed', async () => {
    await twilioProvider({}, undefined, CALLBACK).send({ ...MESSAGE, channel: 'call' });

    const [request] = fake.requests;
    expect(request?.form.getAll('StatusCallbackEvent')).toEqual(['answered', 'completed']);
    expect(request?.form.get('StatusCallbackMethod')).toBe('POST');
  });

  it('announces feedback for SMS only', async () => {
    const twilio = twilioProvider({ feedback: true });

    for (const channel of ['sms', 'whatsapp', 'call'] as const) await twilio.send({ ...MESSAGE, channel });

    expect(fake.messages.map(({ provideFeedback }) => provideFeedback)).toEqual([true, false, false]);
  });

  it('confirms to Twilio that the code of a message was entered', async () => {
    const twilio = twilioProvider({ feedback: true });
    const { providerId } = await twilio.send(MESSAGE);

    await twilio.confirm(providerId);

    expect(fake.feedback).toEqual([{ messageSid: providerId, outcome: 'confirmed' }]);
  });

  it('confirms neither calls nor, without feedback, messages', async () => {
    const twilio = twilioProvider({ feedback: true });
    const call = await twilio.send({ ...MESSAGE, channel: 'call' });
    const message = await twilio.send(MESSAGE);

    await twilio.confirm(call.providerId);
    await twilioProvider().confirm(message.providerId);

    expect(fake.requests).toHaveLength(2);
  });

  it.each<[answer: Answer, error: Error]>([
    [{ throttle: '7' }, new SendDeferred('20429', undefined, 'throttled')],
    [{ fail: 500 }, new SendDeferred('20500')],
    ['garble', new SendOutcomeUnknown('unreadable answer')],
    ['reset', new SendOutcomeUnknown('ECONNRESET')],
    ['hang', new SendOutcomeUnknown('timeout')],
  ])('throws for a failed confirmation as for a failed message: %j', async (answer, expected) => {
    const { providerId } = await twilioProvider().send(MESSAGE);
    fake.answer(answer);

    const twilio = twilioProvider({ feedback: true }, SHORT_LIMIT_MS);
    const error = await failureOf(twilio.confirm(providerId));

    expect(error).toEqual(expected);
    expect(error.constructor).toBe(expected.constructor);
    expectNoSecretsIn(error);
  });

  it('sends through a messaging service instead of from a number', async () => {
    const messagingServiceSid = `MG${'0'.repeat(32)}`;

    await twilioProvider({ from: null, messagingServiceSid }).send(MESSAGE);

    expect(fake.messages).toEqual([expect.objectContaining({ from: null, messagingServiceSid })]);
  });

  it('authenticates with an API key for the configured account', async () => {
    await twilioProvider({ username: fake.apiKey.sid, password: fake.apiKey.secret }).send(MESSAGE);

    expect(fake.messages).toHaveLength(1);
  });

  it.each([
    [0.4, 1],
    [-5, 1],
    [299.9, 299],
    [36_001, 36_000],
  ])(
    'limits the validity period to the range of Twilio: %d s become %d',
    async (validForSeconds, validityPeriod) => {
      await twilioProvider().send({ ...MESSAGE, validForSeconds });

      expect(fake.messages).toEqual([expect.objectContaining({ validityPeriod })]);
    },
  );

  it.each(['', '/'])('calls an API below a path that ends in "twilio%s"', async (end) => {
    await expect(twilioProvider({ apiUrl: `${fake.url}/sms/twilio${end}` }).send(MESSAGE)).rejects.toThrow(
      SendRefused,
    );

    const [request] = fake.requests;
    expect(request?.path).toBe(`/sms/twilio/2010-04-01/Accounts/${fake.accountSid}/Messages.json`);
  });

  it('calls the configured host, whatever TWILIO_EDGE and TWILIO_REGION are', async () => {
    jest.replaceProperty(process, 'env', { ...process.env, TWILIO_EDGE: 'dublin', TWILIO_REGION: 'ie1' });
    resolveNames((callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]));
    const host = `sms.twilio.eu.internal.example.test:${new URL(fake.url).port}`;

    await twilioProvider({ apiUrl: `http://${host}` }).send(MESSAGE);

    expect(fake.requests.map(({ headers }) => headers.host)).toEqual([host]);
  });

  it('reuses its connection for the next message', async () => {
    const twilio = twilioProvider();

    for (let sent = 0; sent < 3; sent += 1) await twilio.send(MESSAGE);

    expect(fake.connections).toBe(1);
  });

  it('sends messages on as many connections as it may open', async () => {
    fake.answerAll('hang');
    const twilio = twilioProvider();

    const sends = Promise.allSettled(
      Array.from({ length: MAX_CONNECTIONS + 10 }, () => twilio.send(MESSAGE)),
    );
    await fake.requested(MAX_CONNECTIONS);

    expect(fake.connections).toBe(MAX_CONNECTIONS);
    await fake.stop();
    await sends;
  });

  describe.each<[when: string, answer: Answer]>([
    ['never comes', 'hang'],
    ['comes one byte at a time', 'drip'],
    ['comes after the time limit', { slow: 60_000 }],
  ])('when the answer %s', (_, answer) => {
    it('stops waiting at the time limit and reports the outcome as unknown', async () => {
      fake.answerAll(answer);
      const startedAt = performance.now();

      const error = await failureOf(twilioProvider({}, SHORT_LIMIT_MS).send(MESSAGE));

      expect(error).toEqual(new SendOutcomeUnknown('timeout'));
      expect(performance.now() - startedAt).toBeLessThan(SHORT_LIMIT_MS * 6);
      expect(fake.requests).toHaveLength(1);
      expectNoSecretsIn(error);
    });
  });

  it('counts a wait for a free connection against the time limit, and defers a message that was not sent', async () => {
    fake.answerAll('hang');
    const twilio = twilioProvider({}, QUEUE_LIMIT_MS);
    const startedAt = performance.now();

    const failures = Promise.all(Array.from({ length: 300 }, () => failureOf(twilio.send(MESSAGE))));
    await fake.requested(MAX_CONNECTIONS);
    // All time limits pass in one turn of the event loop. Otherwise a message that began later could get the connection of
    // one that began first, just before its own limit.
    blockFor(QUEUE_LIMIT_MS);
    const errors = await failures;

    expect(performance.now() - startedAt).toBeLessThan(QUEUE_LIMIT_MS * 3);
    const unknown = errors.filter((error) => error instanceof SendOutcomeUnknown);
    const deferred = errors.filter((error) => error instanceof SendDeferred);
    expect(unknown.length + deferred.length).toBe(300);
    expect(unknown.length).toBeGreaterThanOrEqual(fake.requests.length);
    expect(deferred.length).toBeGreaterThan(0);
  });

  it.each<[answer: Answer, error: Error]>([
    ['cut', new SendOutcomeUnknown('ECONNRESET')],
    ['reset', new SendOutcomeUnknown('ECONNRESET')],
    ['garble', new SendOutcomeUnknown('unreadable answer')],
    [{ fail: 500 }, new SendDeferred('20500')],
    [{ fail: 503, retryAfter: '2' }, new SendDeferred('20500', 2_000)],
    [{ throttle: '7' }, new SendDeferred('20429', 7_000, 'throttled')],
    [{ throttle: 'soon' }, new SendDeferred('20429', undefined, 'throttled')],
    [{ refuse: 20429 }, new SendDeferred('20429', undefined, 'throttled')],
    [{ refuse: 30001 }, new SendDeferred('30001', undefined, 'throttled')],
    [{ refuse: 30008 }, new SendDeferred('30008', undefined, 'throttled')],
    [{ refuse: 21211 }, new SendRefused(badNumber('21211', 'invalid_number'))],
    [{ refuse: 21610, status: 403 }, new SendRefused(badNumber('21610', 'blocked', 15))],
  ])('does not retry after the answer %j, and throws %p', async (answer, expected) => {
    fake.answerAll(answer);

    const error = await failureOf(twilioProvider().send(MESSAGE));

    expect(error).toEqual(expected);
    expect(error).toMatchObject({ ...expected });
    expect(error.constructor).toBe(expected.constructor);
    expect(fake.requests).toHaveLength(1);
    expectNoSecretsIn(error);
  });

  it('reads a Retry-After date', async () => {
    fake.answer({ throttle: new Date(Date.now() + 30_000).toUTCString() });

    const error = (await failureOf(twilioProvider().send(MESSAGE))) as SendDeferred;

    expect(error.retryAfterMs).toBeGreaterThan(25_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it('reports an outage of the provider when Twilio rejects the credentials', async () => {
    const error = await failureOf(twilioProvider({ password: 'another' }).send(MESSAGE));

    expect(error).toMatchObject({
      failure: { code: '20003', means: 'outage', recovery: 'another_provider' },
    });
    expect(error).toBeInstanceOf(SendRefused);
    expectNoSecretsIn(error);
  });

  it('defers a message when the connection is refused, and sends it on the next call', async () => {
    const twilio = twilioProvider();
    await fake.stop();

    const error = await failureOf(twilio.send(MESSAGE));

    expect(error).toEqual(new SendDeferred('ECONNREFUSED'));
    expectNoSecretsIn(error);
    await fake.listen();
    await twilio.send(MESSAGE);
    expect(fake.messages).toHaveLength(1);
  });

  it.each(['ENOTFOUND', 'EAI_AGAIN'])(
    'defers a message when the host name is not resolved (%s)',
    async (code) => {
      resolveNames((callback) => callback(Object.assign(new Error(`getaddrinfo ${code}`), { code })));

      const error = await failureOf(twilioProvider({ apiUrl: 'http://twilio.invalid' }).send(MESSAGE));

      expect(error).toEqual(new SendDeferred(code));
      expectNoSecretsIn(error);
    },
  );

  it('does not expose its credentials to inspect()', async () => {
    const twilio = twilioProvider();
    for (const channel of ['sms', 'whatsapp', 'call'] as const) await twilio.send({ ...MESSAGE, channel });

    expectNoSecretsIn(twilio);
  });

  function twilioProvider(
    overrides: Partial<TwilioConfig> = {},
    limitMs?: number,
    callbackUrl: string | null = null,
  ): TwilioProvider {
    const channels = { whatsapp: WHATSAPP, callFrom: CALL_FROM };
    const config = twilioConfigFor(fake, { ...channels, ...overrides });
    return new TwilioProvider(config, callbackUrl, limitMs);
  }

  function expectNoSecretsIn(value: unknown): void {
    const exposed = [
      inspect(value, { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null }),
      JSON.stringify(value),
      String((value as Error).stack),
    ].join('\n');
    const secrets = [
      fake.authToken,
      fake.accountSid,
      Buffer.from(`${fake.accountSid}:${fake.authToken}`).toString('base64'),
      'Basic ',
      MESSAGE.code,
      MESSAGE.to.slice(1),
    ];
    expect(secrets.filter((secret) => exposed.includes(secret))).toEqual([]);
  }
});

/** Returns the form of the only request. No field is repeated. */
function formOf({ requests }: FakeTwilio): Record<string, string> {
  expect(requests).toHaveLength(1);
  return Object.fromEntries(requests[0]?.form ?? []);
}

function badNumber(code: string, reason: Failure['reason'], badForMinutes = 1_440): Failure {
  return { code, reason, recovery: 'none', badForMinutes };
}

type LookupCallback = (error: Error | null, addresses?: { address: string; family: number }[]) => void;

function resolveNames(resolve: (callback: LookupCallback) => void): void {
  const lookup = (_name: string, _options: unknown, callback: LookupCallback) => resolve(callback);
  jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
}
