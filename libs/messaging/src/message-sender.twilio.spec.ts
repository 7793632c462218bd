import dns from 'node:dns';
import { inspect } from 'node:util';
import type { TwilioConfig } from '#config';
import type { PhoneNumber } from '#phone';
import { type Answer, FakeTwilio } from '../../../test/support/fake-twilio.js';
import {
  type Failure,
  type Message,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';
import { TwilioSender } from './message-sender.twilio.js';

const MESSAGE: Message = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: '739145 is your code',
  code: '739145',
  locale: 'en',
  validForSeconds: 300,
  reference: 'ver/1.2',
};

const CALLBACK = 'https://id.example.test/v1/webhooks/twilio';
const WHATSAPP = { from: '+15005550007', contentSid: null };
const CONTENT_SID = `HX${'0'.repeat(32)}`;
const CALL_FROM = '+15005550008';

/** Long enough for a loopback answer, short enough to wait for. */
const SHORT_LIMIT_MS = 300;

describe('TwilioSender', () => {
  let fake: FakeTwilio;

  beforeEach(async () => {
    fake = await FakeTwilio.start();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await fake.stop();
  });

  it('hands the message over and names it as Twilio does', async () => {
    const receipt = await sender().send(MESSAGE);

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
    ['a number for messages', { whatsapp: null, callFrom: null }, ['sms']],
    ['one for WhatsApp too', { callFrom: null }, ['sms', 'whatsapp']],
    ['one for calls too', { whatsapp: null }, ['sms', 'call']],
    ['one for each', {}, ['sms', 'whatsapp', 'call']],
  ])('with %s carries what they can', (_, config, channels) => {
    expect(sender(config)).toMatchObject({ name: 'twilio', channels });
  });

  it('writes by WhatsApp to whoever wrote to us lately', async () => {
    await sender().send({ ...MESSAGE, channel: 'whatsapp' });

    expect(formOf(fake)).toEqual({
      To: `whatsapp:${MESSAGE.to}`,
      From: `whatsapp:${WHATSAPP.from}`,
      Body: MESSAGE.body,
      ValidityPeriod: '300',
    });
  });

  it('fills the code into a template of WhatsApp, and sends no text beside it', async () => {
    await sender({ whatsapp: { ...WHATSAPP, contentSid: CONTENT_SID } }).send({
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

  it('says the code twice in a call', async () => {
    const { providerId } = await sender().send({
      ...MESSAGE,
      channel: 'call',
      body: 'Ihr Code: 7, 3 & 9 <b>',
      locale: 'de',
    });

    expect(providerId).toMatch(/^CA/);
    const said = '<Say language="de-DE">Ihr Code: 7, 3 &amp; 9 &lt;b&gt;</Say>';
    expect(formOf(fake)).toEqual({
      To: MESSAGE.to,
      From: CALL_FROM,
      Timeout: '30',
      Twiml: expect.stringContaining(`<Response>${said}<Pause length="1"/>${said}</Response>`),
    });
  });

  it.each([
    [12.7, '12'],
    [300, '30'],
    [-1, '5'],
  ])('lets a phone ring no longer than the code lives: %d s become %s', async (validForSeconds, Timeout) => {
    await sender().send({ ...MESSAGE, channel: 'call', validForSeconds });

    expect(formOf(fake)).toMatchObject({ Timeout });
  });

  describe.each(['sms', 'whatsapp', 'call'] as const)('by %s', (channel) => {
    it('asks for reports on the message, and says that they will follow', async () => {
      const receipt = await sender({}, undefined, CALLBACK).send({ ...MESSAGE, channel });

      expect(receipt.status).toBe('accepted');
      const [message] = fake.messages;
      expect(message?.statusCallback).toBe(`${CALLBACK}?message=ver%2F1.2#rc=5&rp=5xx,ct,rt`);
    });

    it('asks for none where none can be had, and says that nothing more will be heard', async () => {
      const receipt = await sender().send({ ...MESSAGE, channel });

      expect(receipt.status).toBe('sent');
      expect(formOf(fake)).not.toHaveProperty('StatusCallback');
    });

    it('tells nothing of what it is refused', async () => {
      fake.answer({ refuse: 21211 });

      const error = await failureOf(sender().send({ ...MESSAGE, channel }));

      expect(error).toEqual(new SendRefused(badNumber('21211', 'invalid_number')));
      expectToTellNothing(error);
    });
  });

  it('wants to hear of a call when it is taken, and how it ended', async () => {
    await sender({}, undefined, CALLBACK).send({ ...MESSAGE, channel: 'call' });

    const [request] = fake.requests;
    expect(request?.form.getAll('StatusCallbackEvent')).toEqual(['answered', 'completed']);
    expect(request?.form.get('StatusCallbackMethod')).toBe('POST');
  });

  it('says of an SMS that feedback will come, and of nothing else', async () => {
    const twilio = sender({ feedback: true });

    for (const channel of ['sms', 'whatsapp', 'call'] as const) await twilio.send({ ...MESSAGE, channel });

    expect(fake.messages.map(({ provideFeedback }) => provideFeedback)).toEqual([true, false, false]);
  });

  it('tells Twilio that a code was typed in', async () => {
    const twilio = sender({ feedback: true });
    const { providerId } = await twilio.send(MESSAGE);

    await twilio.confirm(providerId);

    expect(fake.feedback).toEqual([{ messageSid: providerId, outcome: 'confirmed' }]);
  });

  it('tells Twilio nothing of a call, nor when nobody wants it to', async () => {
    const twilio = sender({ feedback: true });
    const call = await twilio.send({ ...MESSAGE, channel: 'call' });
    const message = await twilio.send(MESSAGE);

    await twilio.confirm(call.providerId);
    await sender().confirm(message.providerId);

    expect(fake.requests).toHaveLength(2);
  });

  it.each<[answer: Answer, error: Error]>([
    [{ throttle: '7' }, new SendDeferred('20429', undefined, 'throttled')],
    [{ fail: 500 }, new SendDeferred('20500')],
    ['garble', new SendOutcomeUnknown('unreadable answer')],
    ['reset', new SendOutcomeUnknown('ECONNRESET')],
    ['hang', new SendOutcomeUnknown('timeout')],
  ])('fails to tell Twilio as it fails to send: %j', async (answer, expected) => {
    const twilio = sender({ feedback: true }, SHORT_LIMIT_MS);
    const { providerId } = await twilio.send(MESSAGE);
    fake.answer(answer);

    const error = await failureOf(twilio.confirm(providerId));

    expect(error).toEqual(expected);
    expect(error.constructor).toBe(expected.constructor);
    expectToTellNothing(error);
  });

  it('leaves the choice of a number to a messaging service', async () => {
    const messagingServiceSid = `MG${'0'.repeat(32)}`;

    await sender({ from: null, messagingServiceSid }).send(MESSAGE);

    expect(fake.messages).toEqual([expect.objectContaining({ from: null, messagingServiceSid })]);
  });

  it('signs in with an API key for an account that the key does not name', async () => {
    await sender({ username: fake.apiKey.sid, password: fake.apiKey.secret }).send(MESSAGE);

    expect(fake.messages).toHaveLength(1);
  });

  it.each([
    [0.4, 1],
    [-5, 1],
    [299.9, 299],
    [36_001, 36_000],
  ])('asks for a validity that Twilio takes: %d s become %d', async (validForSeconds, validityPeriod) => {
    await sender().send({ ...MESSAGE, validForSeconds });

    expect(fake.messages).toEqual([expect.objectContaining({ validityPeriod })]);
  });

  it.each(['', '/'])('finds the API below a path too (ending in "%s")', async (end) => {
    await expect(sender({ apiUrl: `${fake.url}/sms/twilio${end}` }).send(MESSAGE)).rejects.toThrow(
      SendRefused,
    );

    const [request] = fake.requests;
    expect(request?.path).toBe(`/sms/twilio/2010-04-01/Accounts/${fake.accountSid}/Messages.json`);
  });

  it('goes to the very host it was given, whatever region the environment names', async () => {
    jest.replaceProperty(process, 'env', { ...process.env, TWILIO_EDGE: 'dublin', TWILIO_REGION: 'ie1' });
    resolveNames((answered) => answered(null, [{ address: '127.0.0.1', family: 4 }]));
    const host = `sms.twilio.eu.internal.example.test:${new URL(fake.url).port}`;

    await sender({ apiUrl: `http://${host}` }).send(MESSAGE);

    expect(fake.requests.map(({ headers }) => headers.host)).toEqual([host]);
  });

  it('keeps its connection from one message to the next', async () => {
    const twilio = sender();

    for (let sent = 0; sent < 3; sent += 1) await twilio.send(MESSAGE);

    expect(fake.connections).toBe(1);
  });

  it('has fifty messages on their way at once, and no more', async () => {
    fake.answerAll('hang');
    const twilio = sender();

    const sends = Promise.allSettled(Array.from({ length: 60 }, () => twilio.send(MESSAGE)));
    await fake.requested(50);

    expect(fake.connections).toBe(50);
    await fake.stop();
    await sends;
  });

  describe.each<[what: string, answer: Answer]>([
    ['never', 'hang'],
    ['one blank at a time', 'drip'],
    ['too late', { slow: 60_000 }],
  ])('when the answer comes %s', (_, answer) => {
    it('stops waiting at its limit and calls the outcome unknown', async () => {
      fake.answerAll(answer);
      const startedAt = performance.now();

      const error = await failureOf(sender({}, SHORT_LIMIT_MS).send(MESSAGE));

      expect(error).toEqual(new SendOutcomeUnknown('timeout'));
      expect(performance.now() - startedAt).toBeLessThan(SHORT_LIMIT_MS * 5);
      expect(fake.requests).toHaveLength(1);
      expectToTellNothing(error);
    });
  });

  it('counts the wait for a free connection into the limit', async () => {
    fake.answerAll('hang');
    const twilio = sender({}, SHORT_LIMIT_MS);
    const startedAt = performance.now();

    await Promise.allSettled(Array.from({ length: 120 }, () => twilio.send(MESSAGE)));

    expect(performance.now() - startedAt).toBeLessThan(SHORT_LIMIT_MS * 5);
  });

  it.each<[answer: Answer, error: Error]>([
    ['cut', new SendOutcomeUnknown('ERR_BAD_RESPONSE')],
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
    [{ refuse: 21610, status: 403 }, new SendRefused(badNumber('21610', 'blocked'))],
  ])('asks once when the answer is %j, and says %p', async (answer, expected) => {
    fake.answerAll(answer);

    const error = await failureOf(sender().send(MESSAGE));

    expect(error).toEqual(expected);
    expect(error).toMatchObject({ ...expected });
    expect(error.constructor).toBe(expected.constructor);
    expect(fake.requests).toHaveLength(1);
    expectToTellNothing(error);
  });

  it('reads a Retry-After that is a date', async () => {
    fake.answer({ throttle: new Date(Date.now() + 30_000).toUTCString() });

    const error = (await failureOf(sender().send(MESSAGE))) as SendDeferred;

    expect(error.retryAfterMs).toBeGreaterThan(25_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it('refuses for good when the credentials are not known', async () => {
    const error = await failureOf(sender({ password: 'another' }).send(MESSAGE));

    expect(error).toMatchObject({ failure: { code: '20003', means: 'outage', cure: 'another_sender' } });
    expect(error).toBeInstanceOf(SendRefused);
    expectToTellNothing(error);
  });

  it('can be asked again when nobody listens, and then delivers', async () => {
    const twilio = sender();
    await fake.stop();

    const error = await failureOf(twilio.send(MESSAGE));

    expect(error).toEqual(new SendDeferred('ECONNREFUSED'));
    expectToTellNothing(error);
    await fake.listen();
    await twilio.send(MESSAGE);
    expect(fake.messages).toHaveLength(1);
  });

  it.each(['ENOTFOUND', 'EAI_AGAIN'])('can be asked again when no name is resolved (%s)', async (code) => {
    resolveNames((answered) => answered(Object.assign(new Error(`getaddrinfo ${code}`), { code })));

    const error = await failureOf(sender({ apiUrl: 'http://twilio.invalid' }).send(MESSAGE));

    expect(error).toEqual(new SendDeferred(code));
    expectToTellNothing(error);
  });

  it('shows its credentials to nobody who inspects it', async () => {
    const twilio = sender();
    for (const channel of ['sms', 'whatsapp', 'call'] as const) await twilio.send({ ...MESSAGE, channel });

    expectToTellNothing(twilio);
  });

  function sender(
    overrides: Partial<TwilioConfig> = {},
    limitMs?: number,
    callbackUrl: string | null = null,
  ): TwilioSender {
    const config: TwilioConfig = {
      accountSid: fake.accountSid,
      username: fake.accountSid,
      password: fake.authToken,
      from: '+15005550006',
      messagingServiceSid: null,
      whatsapp: WHATSAPP,
      callFrom: CALL_FROM,
      feedback: false,
      signingTokens: [fake.authToken],
      apiUrl: fake.url,
      ...overrides,
    };
    return new TwilioSender(config, callbackUrl, limitMs);
  }

  function expectToTellNothing(value: unknown): void {
    const told = [
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
    expect(secrets.filter((secret) => told.includes(secret))).toEqual([]);
  }
});

/** The only request, which says nothing twice. */
function formOf({ requests }: FakeTwilio): Record<string, string> {
  expect(requests).toHaveLength(1);
  return Object.fromEntries(requests[0]?.form ?? []);
}

function badNumber(code: string, reason: Failure['reason']): Failure {
  return { code, reason, cure: 'none', means: 'bad_number' };
}

type Answered = (error: Error | null, addresses?: { address: string; family: number }[]) => void;

function resolveNames(resolve: (answered: Answered) => void): void {
  const lookup = (_name: string, _options: unknown, answered: Answered) => resolve(answered);
  jest.spyOn(dns, 'lookup').mockImplementation(lookup as never);
}

async function failureOf(send: Promise<unknown>): Promise<Error> {
  return send.then(
    () => Promise.reject(new Error('the message was taken')),
    (error: Error) => error,
  );
}
