import type { Answer, Client } from '../support/client.js';
import { mainlyOn } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import {
  openAndDeliver,
  PUBLIC_URL,
  type ReportingApi,
  startReporting,
  stopReporting,
  WEBHOOK,
} from '../support/reporting-api.js';
import { WHATSAPP } from '../support/settings.js';
import { afterCoolDown, codeIn, deliveredAs } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

function manyFields(count: number): string {
  return times(count, (i) => i.toString(36)).join('&');
}

describe.each(mainlyOn('redis'))('A message on $name', (mode) => {
  let reporting: ReportingApi;
  let client: Client;
  let twilio: FakeTwilio;

  beforeAll(async () => {
    reporting = await startReporting(mode, { TRUSTED_PROXIES: '127.0.0.1' });
    client = reporting.api.client;
    twilio = reporting.twilio;
  });
  afterAll(() => stopReporting(reporting));

  const deliveryOf = async (path: string) => (await client.get(path)).body.delivery;

  describe('with delivery reports', () => {
    it.each<[reports: string[], status: string]>([
      [['queued', 'sending', 'sent'], 'sent'],
      [['sent', 'delivered'], 'delivered'],
      [['delivered', 'sent', 'queued', 'delivered'], 'delivered'],
      [['undelivered', 'sent'], 'undelivered'],
      [['failed', 'sending'], 'failed'],
    ])('is, after the reports %j, %s', async (reports, status) => {
      const { path, sid } = await openAndDeliver(reporting);
      for (const report of reports) expect(await twilio.report(sid, report)).toBe(204);
      expect((await deliveryOf(path)).status).toBe(status);
    });

    it.each([
      [30003, 'unreachable'],
      [30005, 'unreachable'],
      [30007, 'blocked'],
      [30450, 'blocked'],
      [21614, 'invalid_number'],
      [30034, 'provider'],
      [99999, 'unreachable'],
    ])('that fails with the Twilio error %d has the reason %s', async (errorCode, reason) => {
      const { path, sid } = await openAndDeliver(reporting);
      await twilio.report(sid, 'undelivered', { errorCode });
      expect(await deliveryOf(path)).toEqual({
        status: 'undelivered',
        reason,
        updated_at: expect.any(String),
      });
    });

    it('is retried once, with the same code, after an unknown error', async () => {
      const { path, sid, messages } = await openAndDeliver(reporting);
      await twilio.report(sid, { undelivered: 30008 });
      await waitFor('the second message', () => messages().length === 2);
      const [first, second] = messages();
      expect(second?.body).toBe(first?.body);
      await twilio.report(second?.sid as string, { undelivered: 30008 });
      expect(await deliveryOf(path)).toMatchObject({ status: 'undelivered', reason: 'provider' });
      expect(messages()).toHaveLength(2);
    });

    it('is unchanged by repeated reports', async () => {
      const { path, sid, messages } = await openAndDeliver(reporting);
      await twilio.report(sid, { undelivered: 30003 });
      const before = (await client.get(path)).body;
      for (let i = 0; i < 3; i += 1) expect(await twilio.report(sid, { undelivered: 30003 })).toBe(204);
      expect((await client.get(path)).body).toEqual(before);
      expect(messages()).toHaveLength(1);
    });

    it('becomes delivered when a late report says so', async () => {
      const { path, sid } = await openAndDeliver(reporting);
      await twilio.report(sid, { undelivered: 30003 });
      await twilio.report(sid, 'delivered');
      expect(await deliveryOf(path)).toMatchObject({ status: 'delivered', reason: null });
    });
  });

  describe('ignores a report that', () => {
    let path: string;
    let sid: string;
    beforeAll(async () => {
      ({ path, sid } = await openAndDeliver(reporting));
      await twilio.report(sid, 'sent');
    });

    it.each<[what: string, forgery: () => Parameters<FakeTwilio['report']>[2]]>([
      ['is not signed', () => ({ signedWith: null })],
      ['is signed with another token', () => ({ signedWith: 'f'.repeat(32) })],
      ['is signed for http', () => ({ signedFor: `http://id.example.test${WEBHOOK}` })],
      ['is signed for another host', () => ({ signedFor: `https://evil.example.test${WEBHOOK}` })],
      ['was changed after it was signed', () => ({ changed: { MessageStatus: 'delivered' } })],
      [
        'names another message than the signed one',
        () => ({ url: `${PUBLIC_URL}${WEBHOOK}?message=x`, signedFor: `${PUBLIC_URL}${WEBHOOK}` }),
      ],
    ])('%s, and answers 403', async (_, forgery) => {
      expect(await twilio.report(sid, 'failed', forgery())).toBe(403);
      expect((await deliveryOf(path)).status).toBe('sent');
    });

    it('is signed but names an unknown message, and answers 204', async () => {
      for (const message of ['', 'x', 'A'.repeat(60)]) {
        const url = `${PUBLIC_URL}${WEBHOOK}?message=${message}`;
        expect(await twilio.report(sid, 'failed', { url })).toBe(204);
      }
      expect(await twilio.report(sid, 'failed', { url: PUBLIC_URL + WEBHOOK })).toBe(204);
      expect((await deliveryOf(path)).status).toBe('sent');
    });

    it.each<[what: string, type: string, body: string, status: number]>([
      ['is JSON', 'application/json', '{"MessageStatus":"failed"}', 403],
      ['is plain text', 'text/plain', 'MessageStatus=failed', 415],
      ['is too long', 'application/x-www-form-urlencoded', `a=${'b'.repeat(20_000)}`, 413],
      ['has thousands of fields', 'application/x-www-form-urlencoded', manyFields(3_000), 400],
      ['repeats one field a thousand times', 'application/x-www-form-urlencoded', 'a=1&'.repeat(1_000), 400],
      ['is noise', 'application/x-www-form-urlencoded', '%%%=%ff&=&&__proto__=1&constructor=2', 403],
    ])('%s, and answers with a problem', async (_, type, body, status) => {
      const answer = await client.send('POST', WEBHOOK, body, { 'content-type': type });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    });

    it('is a form for a route without forms, and answers 415', async () => {
      const answer = await client.send('POST', '/v1/verifications', 'phone_number=%2B14155550100', {
        'content-type': 'application/x-www-form-urlencoded',
      });
      expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    });
  });

  describe('with long polling', () => {
    const get = (path: string, etag?: string): Promise<Answer> =>
      client.get(path, etag === undefined ? {} : { 'if-none-match': etag });

    it('answers at the next change of the delivery, not earlier', async () => {
      const { path, sid } = await openAndDeliver(reporting);
      await deliveredAs(client, path, 'sent');
      const { headers } = await get(path);
      const waiting = get(`${path}?wait=20`, headers.get('etag') as string);
      const early = await Promise.race([waiting, get(path).then(() => 'not yet')]);
      expect(early).toBe('not yet');
      await twilio.report(sid, 'delivered');
      const { status, body } = await waiting;
      expect([status, body.delivery.status]).toEqual([200, 'delivered']);
    });

    it('answers at once when the delivery has changed since the ETag', async () => {
      const { path, sid } = await openAndDeliver(reporting);
      const { headers } = await get(path);
      await twilio.report(sid, 'delivered');
      const { status, body } = await get(`${path}?wait=20`, headers.get('etag') as string);
      expect([status, body.delivery.status]).toEqual([200, 'delivered']);
    });

    it('answers without a change after the wait: 304 with an ETag, 200 without', async () => {
      const { path, sid } = await openAndDeliver(reporting);
      await twilio.report(sid, 'delivered');
      const { headers, body } = await get(path);
      const etag = headers.get('etag') as string;
      expect(etag).toMatch(/^"[\w-]{22}"$/);
      const same = await get(`${path}?wait=1`, etag);
      expect([same.status, same.body, same.headers.get('etag')]).toEqual([304, '', etag]);
      const again = await get(`${path}?wait=1`);
      expect([again.status, again.body]).toEqual([200, body]);
    });

    it('gives a new verification an ETag that waits for its next state', async () => {
      const answer = await client.post('/v1/verifications', { phone_number: someNumber() });
      const etag = answer.headers.get('etag') as string;
      const { status, body } = await get(`/v1/verifications/${answer.body.id}?wait=20`, etag);
      expect([status, body.delivery.status]).toEqual([200, 'sent']);
    });

    it('answers at once for a canceled verification', async () => {
      const { path } = await openAndDeliver(reporting);
      await client.delete(path);
      const { status, body } = await get(`${path}?wait=20`);
      expect([status, body.status]).toEqual([200, 'canceled']);
    });

    it('answers when the code is used', async () => {
      const { path, messages } = await openAndDeliver(reporting);
      await deliveredAs(client, path, 'sent');
      const waiting = get(`${path}?wait=20`);
      const code = codeIn(messages()[0]);
      const { headers } = await get(path);
      expect((await client.post(`${path}/check`, { code })).status).toBe(200);
      await waiting;
      const { body } = await get(`${path}?wait=20`, headers.get('etag') as string);
      expect(body.status).toBe('approved');
    });

    it.each(['-1', '21', '1.5', 'x', '%00', '1&wait=2', '٣', '', '1e1', '1.0', '%2B1'])(
      'rejects the wait "%s"',
      async (wait) => {
        const { path } = await openAndDeliver(reporting);
        const { status, body } = await get(`${path}?wait=${wait}`);
        expect([status, body.code]).toEqual([400, 'invalid_request']);
      },
    );

    it('serves 100 waiting requests and ends the oldest beyond five for one verification', async () => {
      const all = await Promise.all(times(20, () => openAndDeliver(reporting)));
      await Promise.all(all.map(({ path }) => deliveredAs(client, path, 'sent')));
      // Few requests of one address may wait.
      const from = (i: number) => ({ 'x-forwarded-for': `198.51.100.${i}` });
      const waiting = all.flatMap(({ path }, i) => times(5, () => client.get(`${path}?wait=20`, from(i))));
      const [one] = all as [(typeof all)[0]];
      await get(one.path);
      const sixth = client.get(`${one.path}?wait=20`, from(100));
      expect((await Promise.race(waiting.slice(0, 5))).body.delivery.status).toBe('sent');
      for (const { sid } of all) await twilio.report(sid, 'delivered');
      const statuses = (await Promise.all([...waiting.slice(5), sixth])).map(
        ({ body }) => body.delivery.status,
      );
      expect(new Set(statuses)).toEqual(new Set(['delivered']));
    });
  });

  describe('by channel', () => {
    it('is sent by WhatsApp', async () => {
      const { path, messages } = await openAndDeliver(reporting, { channel: 'whatsapp' });
      expect(messages()).toEqual([
        expect.objectContaining({ channel: 'whatsapp', from: WHATSAPP.TWILIO_WHATSAPP_FROM }),
      ]);
      expect((await client.get(path)).body.channel).toBe('whatsapp');
    });

    it('is a call that says the digits one by one, twice', async () => {
      const { path, messages, sid } = await openAndDeliver(reporting, { channel: 'call' });
      const spoken = [...(messages()[0]?.twiml ?? '').matchAll(/<Say language="en-US">([^<]*)/g)];
      expect(spoken).toHaveLength(2);
      expect(spoken[0]?.[1]).toMatch(/\d, \d, \d, \d, \d, \d/);
      const code = /\d(, \d){5}/.exec(spoken[0]?.[1] ?? '')?.[0].replaceAll(', ', '');
      await twilio.report(sid, 'no-answer');
      expect(await deliveryOf(path)).toMatchObject({ status: 'undelivered', reason: 'unreachable' });
      expect((await client.post(`${path}/check`, { code })).status).toBe(200);
    });

    it('is resent by another channel on request', async () => {
      const { path, messages } = await openAndDeliver(reporting, { channel: 'whatsapp' });
      const resent = await afterCoolDown(() => client.post(`${path}/resend`, { channel: 'call' }));
      expect(resent.body).toMatchObject({ channel: 'call', delivery: { status: 'queued', reason: null } });
      await waitFor('the call', () => messages().length === 2 && messages()[1]?.channel === 'call');
    });

    it.each(['fax', 'SMS', ''])('is not sent by the unknown channel "%s"', async (channel) => {
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
    [null, '*', '+886912345678', /驗證碼/],
    [null, 'zh', '+85251234567', /驗證碼/],
    ['zh-TW', '*', '+14155553005', /驗證碼/],
    ['zh-CN', '*', '+85251234568', /验证码/],
  ])(
    'has the language of locale %j, Accept-Language %j and number %s',
    async (locale, accept, phone_number, text) => {
      await client.post('/v1/verifications', { phone_number, locale }, { 'accept-language': accept });
      const message = await waitFor('the message', () =>
        twilio.messages.find(({ to }) => to === phone_number),
      );
      expect(message.body).toMatch(text);
    },
  );
});
