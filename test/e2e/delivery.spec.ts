import { type RunningApi, someNumber, startApi } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { type Mode, modes } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { throughTwilio } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

const PUBLIC_URL = 'https://id.example.test';
const WEBHOOK = '/v1/webhooks/twilio';

/** Everything that Twilio can carry. */
const CHANNELS = { TWILIO_WHATSAPP_FROM: '+15005550007', TWILIO_CALL_FROM: '+15005550008' };

/** The shortest wait that there is. */
const BRIEF = { LIMIT_COOL_DOWN: '1s' };

/** A server with a Twilio that reports to it. */
interface Reporting {
  readonly api: RunningApi;
  readonly twilio: FakeTwilio;
}

async function start(mode: Mode, variables: Record<string, string> = {}): Promise<Reporting> {
  const twilio = await FakeTwilio.start();
  const api = await startApi(mode, {
    ...throughTwilio(twilio),
    PUBLIC_URL,
    ...CHANNELS,
    ...BRIEF,
    ...variables,
  });
  twilio.reportVia(api.client.url);
  return { api, twilio };
}

async function stop({ api, twilio }: Reporting): Promise<void> {
  await twilio.stop();
  await api.stop();
}

/** A verification whose first message Twilio has. */
async function open({ api, twilio }: Reporting, members: object = {}, headers = {}) {
  const phone_number = someNumber();
  const { status, body } = await api.client.post(
    '/v1/verifications',
    { phone_number, ...members },
    { 'accept-language': 'en', ...headers },
  );
  expect([status, body]).toEqual([202, expect.anything()]);
  const messages = () => twilio.messages.filter(({ to }) => to === phone_number);
  const [first] = await waitFor('the message', () => messages().length > 0 && messages());
  return { path: `/v1/verifications/${body.id}`, phone_number, sid: first?.sid as string, messages };
}

/** What the verification comes to. */
function delivery(client: Client, path: string, status: string) {
  return waitFor(`a delivery that is ${status}`, async () => {
    const { body } = await client.get(path);
    return body.delivery.status === status && body;
  });
}

function manyFields(howMany: number): string {
  return Array.from({ length: howMany }, (_, i) => i.toString(36)).join('&');
}

describe.each(modes)('A message on $name', (mode) => {
  let reporting: Reporting;
  let client: Client;
  let twilio: FakeTwilio;

  beforeAll(async () => {
    reporting = await start(mode);
    client = reporting.api.client;
    twilio = reporting.twilio;
  });
  afterAll(() => stop(reporting));

  const now = async (path: string) => (await client.get(path)).body.delivery;

  describe('that is reported on', () => {
    it.each<[said: string[], status: string]>([
      [['queued', 'sending', 'sent'], 'sent'],
      [['sent', 'delivered'], 'delivered'],
      [['delivered', 'sent', 'queued', 'delivered'], 'delivered'],
      [['undelivered', 'sent'], 'undelivered'],
      [['failed', 'sending'], 'failed'],
    ])('as %j is %s', async (said, status) => {
      const { path, sid } = await open(reporting);
      for (const word of said) expect(await twilio.report(sid, word)).toBe(204);
      expect((await now(path)).status).toBe(status);
    });

    it.each([
      [30003, 'unreachable'],
      [30005, 'unreachable'],
      [30007, 'blocked'],
      [30450, 'blocked'],
      [21614, 'invalid_number'],
      [30034, 'provider'],
      [99999, 'unreachable'],
    ])('as undelivered by %d says to the client: %s', async (errorCode, reason) => {
      const { path, sid } = await open(reporting);
      await twilio.report(sid, 'undelivered', { errorCode });
      expect(await now(path)).toEqual({ status: 'undelivered', reason, updated_at: expect.any(String) });
    });

    it('goes out once more, with the same code, when nobody knows why it failed', async () => {
      const { path, sid, messages } = await open(reporting);
      await twilio.report(sid, { undelivered: 30008 });
      await waitFor('the second message', () => messages().length === 2);
      const [first, second] = messages();
      expect(second?.body).toBe(first?.body);
      await twilio.report(second?.sid as string, { undelivered: 30008 });
      expect(await now(path)).toMatchObject({ status: 'undelivered', reason: 'provider' });
      expect(messages()).toHaveLength(2);
    });

    it('changes nothing by being reported on again', async () => {
      const { path, sid, messages } = await open(reporting);
      await twilio.report(sid, { undelivered: 30003 });
      const before = (await client.get(path)).body;
      for (let i = 0; i < 3; i += 1) expect(await twilio.report(sid, { undelivered: 30003 })).toBe(204);
      expect((await client.get(path)).body).toEqual(before);
      expect(messages()).toHaveLength(1);
    });

    it('arrived after all, whatever was thought of it', async () => {
      const { path, sid } = await open(reporting);
      await twilio.report(sid, { undelivered: 30003 });
      await twilio.report(sid, 'delivered');
      expect(await now(path)).toMatchObject({ status: 'delivered', reason: null });
    });
  });

  describe('is not touched by a report that', () => {
    let path: string;
    let sid: string;
    beforeAll(async () => {
      ({ path, sid } = await open(reporting));
      await twilio.report(sid, 'sent');
    });

    it.each<[what: string, forgery: () => Parameters<FakeTwilio['report']>[2]]>([
      ['is not signed', () => ({ signedWith: null })],
      ['is signed with another token', () => ({ signedWith: 'f'.repeat(32) })],
      ['is signed for http', () => ({ signedFor: `http://id.example.test${WEBHOOK}` })],
      ['is signed for another host', () => ({ signedFor: `https://evil.example.test${WEBHOOK}` })],
      ['was changed on the way', () => ({ changed: { MessageStatus: 'delivered' } })],
      [
        'names another message than it is signed for',
        () => ({ url: `${PUBLIC_URL}${WEBHOOK}?message=x`, signedFor: `${PUBLIC_URL}${WEBHOOK}` }),
      ],
    ])('%s: 403', async (_, forgery) => {
      expect(await twilio.report(sid, 'failed', forgery())).toBe(403);
      expect((await now(path)).status).toBe('sent');
    });

    it('is signed and names a message that is none of ours: ignored', async () => {
      for (const message of ['', 'x', 'A'.repeat(60)]) {
        const url = `${PUBLIC_URL}${WEBHOOK}?message=${message}`;
        expect(await twilio.report(sid, 'failed', { url })).toBe(204);
      }
      expect(await twilio.report(sid, 'failed', { url: PUBLIC_URL + WEBHOOK })).toBe(204);
      expect((await now(path)).status).toBe('sent');
    });

    it.each<[what: string, type: string, body: string, status: number]>([
      ['is JSON', 'application/json', '{"MessageStatus":"failed"}', 403],
      ['is something else', 'text/plain', 'MessageStatus=failed', 415],
      ['is far too long', 'application/x-www-form-urlencoded', `a=${'b'.repeat(20_000)}`, 413],
      ['has thousands of fields', 'application/x-www-form-urlencoded', manyFields(3_000), 400],
      ['has one field a thousand times', 'application/x-www-form-urlencoded', 'a=1&'.repeat(1_000), 400],
      ['is noise', 'application/x-www-form-urlencoded', '%%%=%ff&=&&__proto__=1&constructor=2', 403],
    ])('%s: a problem', async (_, type, body, status) => {
      const answer = await client.send('POST', WEBHOOK, body, { 'content-type': type });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    });

    it('comes as a form to a route that takes none: 415', async () => {
      const answer = await client.send('POST', '/v1/verifications', 'phone_number=%2B14155550100', {
        'content-type': 'application/x-www-form-urlencoded',
      });
      expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    });
  });

  describe('that somebody waits for', () => {
    const get = (path: string, etag?: string): Promise<Answer> =>
      client.get(path, etag === undefined ? {} : { 'if-none-match': etag });

    it('answers at its next change, and not before', async () => {
      const { path, sid } = await open(reporting);
      await delivery(client, path, 'sent');
      const { headers } = await get(path);
      const waiting = get(`${path}?wait=20`, headers.get('etag') as string);
      const early = await Promise.race([waiting, get(path).then(() => 'not yet')]);
      expect(early).toBe('not yet');
      await twilio.report(sid, 'delivered');
      const { status, body } = await waiting;
      expect([status, body.delivery.status]).toEqual([200, 'delivered']);
    });

    it('answers at once with what changed since it was last seen', async () => {
      const { path, sid } = await open(reporting);
      const { headers } = await get(path);
      await twilio.report(sid, 'delivered');
      const { status, body } = await get(`${path}?wait=20`, headers.get('etag') as string);
      expect([status, body.delivery.status]).toEqual([200, 'delivered']);
    });

    it('says when nothing changed: 304 with what it was seen as, 200 without', async () => {
      const { path, sid } = await open(reporting);
      await twilio.report(sid, 'delivered');
      const { headers, body } = await get(path);
      const etag = headers.get('etag') as string;
      expect(etag).toMatch(/^"[\w-]{22}"$/);
      const same = await get(`${path}?wait=1`, etag);
      expect([same.status, same.body, same.headers.get('etag')]).toEqual([304, '', etag]);
      const again = await get(`${path}?wait=1`);
      expect([again.status, again.body]).toEqual([200, body]);
    });

    it('names the state that a new message is in, for whoever waits for the next', async () => {
      const answer = await client.post('/v1/verifications', { phone_number: someNumber() });
      const etag = answer.headers.get('etag') as string;
      const { status, body } = await get(`/v1/verifications/${answer.body.id}?wait=20`, etag);
      expect([status, body.delivery.status]).toEqual([200, 'sent']);
    });

    it('does not keep anybody waiting once it is of no more use', async () => {
      const { path } = await open(reporting);
      await client.delete(path);
      const { status, body } = await get(`${path}?wait=20`);
      expect([status, body.status]).toEqual([200, 'canceled']);
    });

    it('tells those who wait when the code is used', async () => {
      const { path, messages } = await open(reporting);
      await delivery(client, path, 'sent');
      const waiting = get(`${path}?wait=20`);
      const code = /\d{6}/.exec(messages()[0]?.body ?? '')?.[0];
      const { headers } = await get(path);
      expect((await client.post(`${path}/check`, { code })).status).toBe(200);
      await waiting;
      const { body } = await get(`${path}?wait=20`, headers.get('etag') as string);
      expect(body.status).toBe('approved');
    });

    it.each(['-1', '21', '1.5', 'x', '%00', '1&wait=2', '٣'])('refuses to wait for "%s"', async (wait) => {
      const { path } = await open(reporting);
      const { status, body } = await get(`${path}?wait=${wait}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    });

    it('is looked up once for all who wait, of whom it has five at most', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => open(reporting)));
      await Promise.all(all.map(({ path }) => delivery(client, path, 'sent')));
      const waiting = all.flatMap(({ path }) => Array.from({ length: 5 }, () => get(`${path}?wait=20`)));
      const [one] = all as [(typeof all)[0]];
      await get(one.path);
      const sixth = get(`${one.path}?wait=20`);
      expect((await Promise.race(waiting.slice(0, 5))).body.delivery.status).toBe('sent');
      for (const { sid } of all) await twilio.report(sid, 'delivered');
      const statuses = (await Promise.all([...waiting.slice(5), sixth])).map(
        ({ body }) => body.delivery.status,
      );
      expect(new Set(statuses)).toEqual(new Set(['delivered']));
    });
  });

  describe('travels', () => {
    it('by WhatsApp', async () => {
      const { path, messages } = await open(reporting, { channel: 'whatsapp' });
      expect(messages()).toEqual([
        expect.objectContaining({ channel: 'whatsapp', from: CHANNELS.TWILIO_WHATSAPP_FROM }),
      ]);
      expect((await client.get(path)).body.channel).toBe('whatsapp');
    });

    it('by a call that says the digits one by one, twice', async () => {
      const { path, messages, sid } = await open(reporting, { channel: 'call' });
      const said = [...(messages()[0]?.twiml ?? '').matchAll(/<Say language="en-US">([^<]*)/g)];
      expect(said).toHaveLength(2);
      expect(said[0]?.[1]).toMatch(/\d, \d, \d, \d, \d, \d/);
      const code = /\d(, \d){5}/.exec(said[0]?.[1] ?? '')?.[0].replaceAll(', ', '');
      await twilio.report(sid, 'no-answer');
      expect(await now(path)).toMatchObject({ status: 'undelivered', reason: 'unreachable' });
      expect((await client.post(`${path}/check`, { code })).status).toBe(200);
    });

    it('another way when it is asked for again', async () => {
      const { path, messages } = await open(reporting, { channel: 'whatsapp' });
      const resent = await waitFor('the end of the cool-down', async () => {
        const answer = await client.post(`${path}/resend`, { channel: 'call' });
        return answer.status === 202 && answer;
      });
      expect(resent.body).toMatchObject({ channel: 'call', delivery: { status: 'queued', reason: null } });
      await waitFor('the call', () => messages().length === 2 && messages()[1]?.channel === 'call');
    });

    it.each(['fax', 'SMS', ''])('not by "%s"', async (channel) => {
      const { status, body } = await client.post('/v1/verifications', {
        phone_number: someNumber(),
        channel,
      });
      expect([status, body.errors[0].pointer]).toEqual([400, '/channel']);
    });
  });

  it.each<[locale: string | null, acceptLanguage: string, number: string, start: RegExp]>([
    ['fr', 'de', '+14155553001', /votre code/],
    ['fr-CA', '*', '+14155553002', /votre code/],
    [null, 'de-AT, en;q=0.5', '+14155553003', /Ihr Code/],
    ['xx', 'tlh, ja;q=0.1', '+14155553004', /コード/],
    [null, '*', '+5511987654321', /Use \d/],
    [null, 'tlh', '+919876543210', /कोड/],
    [null, '*', '+358401234567', /is your/],
  ])(
    'is written by locale %j, Accept-Language %j and the number %s in one language',
    async (locale, accept, phone_number, text) => {
      await client.post('/v1/verifications', { phone_number, locale }, { 'accept-language': accept });
      const message = await waitFor('the message', () =>
        twilio.messages.find(({ to }) => to === phone_number),
      );
      expect(message.body).toMatch(text);
    },
  );
});

describe('A message', () => {
  const mode = { name: 'Postgres alone', redis: false };

  describe.each(modes)('with a fallback on $name', (both) => {
    let reporting: Reporting;
    beforeAll(async () => {
      reporting = await start(both, { FALLBACK: 'sms>whatsapp>call@5s', TWILIO_FEEDBACK: 'on' });
    });
    afterAll(() => stop(reporting));

    it('takes another way once, and tells which', async () => {
      const { client } = reporting.api;
      const { path, sid, messages } = await open(reporting);
      await reporting.twilio.report(sid, { undelivered: 30003 });
      await waitFor('the fallback', () => messages().length === 2);
      expect(messages()[1]).toMatchObject({ channel: 'whatsapp' });
      expect((await client.get(path)).body).toMatchObject({ channel: 'whatsapp', status: 'pending' });
      await reporting.twilio.report(messages()[1]?.sid as string, { undelivered: 63003 });
      expect((await client.get(path)).body.delivery).toMatchObject({
        status: 'undelivered',
        reason: 'unreachable',
      });
      await reporting.twilio.report(sid, 'delivered');
      expect((await client.get(path)).body.delivery).toMatchObject({ status: 'delivered', reason: null });
      expect(messages()).toHaveLength(2);
    });

    it.each([
      ['nothing can cure it', { undelivered: 21610 }],
      ['it is a fraud', { failed: 30450 }],
    ])('stays where it is when %s', async (_, said) => {
      const { path, sid, messages } = await open(reporting);
      await reporting.twilio.report(sid, said);
      const { body } = await reporting.api.client.get(path);
      expect(body).toMatchObject({ channel: 'sms', delivery: { reason: 'blocked' } });
      expect(messages()).toHaveLength(1);
    });

    it('stays where it is once the code is used', async () => {
      const { path, sid, messages } = await open(reporting);
      const code = /\d{6}/.exec(messages()[0]?.body ?? '')?.[0];
      expect((await reporting.api.client.post(`${path}/check`, { code })).status).toBe(200);
      await reporting.twilio.report(sid, { undelivered: 30003 });
      expect((await reporting.api.client.get(path)).body.channel).toBe('sms');
      expect(messages()).toHaveLength(1);
    });

    it('that was answered is told to Twilio, and no other', async () => {
      const { path, sid, messages } = await open(reporting);
      expect(messages()[0]).toMatchObject({ provideFeedback: true });
      await delivery(reporting.api.client, path, 'sent');
      const code = /\d{6}/.exec(messages()[0]?.body ?? '')?.[0];
      await reporting.api.client.post(`${path}/check`, { code: code === '000000' ? '000001' : '000000' });
      await reporting.api.client.post(`${path}/check`, { code });
      const told = await waitFor(
        'the feedback',
        () => reporting.twilio.feedback.filter(({ messageSid }) => messageSid === sid)[0],
      );
      expect(told).toEqual({ messageSid: sid, outcome: 'confirmed' });
    });
  });

  it('takes no other way that there is no money for', async () => {
    const reporting = await start(mode, { FALLBACK: 'sms>whatsapp', SPEND_CAP_PER_COUNTRY: '0.01' });
    const { path, sid, messages } = await open(reporting);
    await reporting.twilio.report(sid, { undelivered: 30003 });
    expect((await reporting.api.client.get(path)).body).toMatchObject({
      channel: 'sms',
      delivery: { status: 'undelivered', reason: 'unreachable' },
    });
    expect(messages()).toHaveLength(1);
    await stop(reporting);
  });

  it('to a number that is known to be bad costs nothing again', async () => {
    const reporting = await start(mode, { SPEND_CAP_PER_COUNTRY: '0.02' });
    const { client } = reporting.api;
    reporting.twilio.answer({ refuse: 21614 });
    const phone_number = someNumber();
    for (let i = 0; i < 3; i += 1) {
      const { body } = await waitFor('the end of the cool-down', async () => {
        const answer = await client.post('/v1/verifications', { phone_number });
        return answer.status === 202 && answer;
      });
      await delivery(client, `/v1/verifications/${body.id}`, 'failed');
    }
    expect(reporting.twilio.requests).toHaveLength(1);
    // Two messages have room in the cap: the one that Twilio was asked for, and this one.
    await open(reporting);
    expect((await client.post('/v1/verifications', { phone_number: someNumber() })).body.code).toBe(
      'sends_suspended',
    );
    await stop(reporting);
  });

  it('that Twilio takes for a fraud counts against whoever asked for it', async () => {
    const reporting = await start(mode, { BREAKER_MODE: 'enforce' });
    const { client } = reporting.api;
    const { sid } = await open(reporting);
    await reporting.twilio.report(sid, { failed: 30453 });
    const next = await client.post('/v1/verifications', { phone_number: someNumber() });
    expect([next.status, next.body.code]).toEqual([403, 'proof_of_work_required']);
    await stop(reporting);
  });

  it('is reported on by either auth token while one replaces the other', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, {
      ...{ ...throughTwilio(twilio), PUBLIC_URL, TWILIO_AUTH_TOKEN_SECONDARY: twilio.secondaryToken },
    });
    twilio.reportVia(api.client.url);
    const { path, sid } = await open({ api, twilio });
    expect(await twilio.report(sid, 'sent', { signedWith: twilio.secondaryToken })).toBe(204);
    expect(await twilio.report(sid, 'delivered', { signedWith: twilio.authToken })).toBe(204);
    expect((await api.client.get(path)).body.delivery.status).toBe('delivered');
    await stop({ api, twilio });
  });

  it('is not reported on where Twilio cannot reach us', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, throughTwilio(twilio));
    const { path, messages } = await open({ api, twilio });
    expect(messages()[0]?.statusCallback).toBeNull();
    await delivery(api.client, path, 'sent');
    expect((await api.client.post(WEBHOOK)).status).toBe(404);
    const other = await api.client.post('/v1/verifications', { phone_number: someNumber(), channel: 'call' });
    expect([other.status, other.body.errors[0].pointer]).toEqual([400, '/channel']);
    await stop({ api, twilio });
  });

  it('to whose change somebody waits does not keep the server from ending', async () => {
    const api = await startApi(mode);
    const { body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
    const path = `/v1/verifications/${body.id}`;
    await delivery(api.client, path, 'delivered');
    const waiting = api.client.get(`${path}?wait=20`);
    await api.client.get('/health/live');
    await api.stop();
    expect((await waiting).body.delivery.status).toBe('delivered');
  });

  it('ends with a line that browsers fill in', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, {
      ...throughTwilio(twilio),
      SMS_ORIGIN: 'login.example.com',
      BRAND: 'Acme',
    });
    const { messages } = await open({ api, twilio });
    expect(messages()[0]?.body).toMatch(/Acme.*\n@login\.example\.com #\d{6}$/);
    await stop({ api, twilio });
  });

  it('to a test number is there for whoever comes after guesses', async () => {
    const reporting = await start(mode, { TEST_PHONE_NUMBERS: '+15005550006=246813' });
    const { client } = reporting.api;
    const open = async () =>
      (await client.post('/v1/verifications', { phone_number: '+15005550006' })).body.id;
    for (let wrong = 0; wrong < 9; wrong += 1) {
      expect((await client.post(`/v1/verifications/${await open()}/check`, { code: '000000' })).status).toBe(
        401,
      );
    }
    const { status } = await client.post(`/v1/verifications/${await open()}/check`, { code: '246813' });
    expect([200, 429]).toContain(status);
    await stop(reporting);
  });

  it('is sent to a known device whatever strangers made of its number, and the memory ends with an arrival', async () => {
    const reporting = await start(mode);
    const { client } = reporting.api;
    const { path, phone_number, messages, sid } = await open(reporting);
    const code = /\d{6}/.exec(messages()[0]?.body ?? '')?.[0];
    const { device_token } = (await client.post(`${path}/check`, { code })).body;
    await reporting.twilio.report(sid, { undelivered: 30007 });
    const again = (members: object) =>
      waitFor('the end of the cool-down', async () => {
        const answer = await client.post('/v1/verifications', { phone_number, ...members });
        return answer.status === 202 && `/v1/verifications/${answer.body.id}`;
      });
    await delivery(client, await again({}), 'failed');
    expect(messages()).toHaveLength(1);
    await delivery(client, await again({ device_token }), 'sent');
    expect(messages()).toHaveLength(2);
    await reporting.twilio.report(messages()[1]?.sid as string, 'delivered');
    await delivery(client, await again({}), 'sent');
    expect(messages()).toHaveLength(3);
    await stop(reporting);
  });

  it('that fails in many reports at once is replaced, and paid for, once', async () => {
    const reporting = await start(mode, { FALLBACK: 'sms>whatsapp' });
    const { sid, messages } = await open(reporting);
    await Promise.all(Array.from({ length: 20 }, () => reporting.twilio.report(sid, { undelivered: 30003 })));
    await waitFor('the fallback', () => messages().length === 2);
    const spent = () =>
      reporting.api.database.query<{ state: string }>(
        `select state from abuse_states where key like 'spending:%'`,
      );
    await waitFor(
      'two prices',
      async () => JSON.parse((await spent())[0]?.state ?? '{}').total === 2 * 8_300,
    );
    await stop(reporting);
  });

  describe('to a test number', () => {
    const TEST = '+15005550006';
    let reporting: Reporting;
    beforeAll(async () => {
      reporting = await start(mode, {
        TEST_PHONE_NUMBERS: `${TEST}=246813`,
        BREAKER_MODE: 'enforce',
        FALLBACK: 'sms>call',
      });
    });
    afterAll(() => stop(reporting));

    it('is none, and its code signs in, again and again', async () => {
      const { client } = reporting.api;
      for (let i = 0; i < 8; i += 1) {
        expect((await client.post('/signup', { phone_number: TEST })).status).toBe(200);
        const { status, body } = await client.post('/signup', { phone_number: TEST, otp: '246813' });
        expect([status, body.data.phone_number]).toEqual([200, TEST]);
      }
      expect(reporting.twilio.requests).toEqual([]);
    });

    it('looks like any other, is counted, and grants no more attempts', async () => {
      const { client } = reporting.api;
      const { status, body } = await client.post('/v1/verifications', { phone_number: TEST });
      expect([status, Object.keys(body).sort()]).toEqual([
        202,
        Object.keys((await client.post('/v1/verifications', { phone_number: '+14155559999' })).body).sort(),
      ]);
      const path = `/v1/verifications/${body.id}`;
      await delivery(client, path, 'sent');
      for (let left = 4; left >= 0; left -= 1) {
        const wrong = await client.post(`${path}/check`, { code: '246814' });
        expect([wrong.status, wrong.body.attempts_left]).toEqual([401, left]);
      }
      expect((await client.post(`${path}/check`, { code: '246813' })).status).toBe(410);
      expect(Date.parse(body.resend_at) - Date.parse(body.created_at)).toBe(1_000);
      const metrics = (await client.get('/metrics')).body as string;
      expect(metrics).toMatch(/latchkey_test_number_uses_total\{what="send"\} [1-9]/);
      expect(metrics).toMatch(/latchkey_test_number_uses_total\{what="check"\} [1-9]/);
    });
  });
});
