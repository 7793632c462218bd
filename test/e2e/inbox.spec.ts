import { createHash } from 'node:crypto';
import { InboxProvider } from '#messaging';
import type { PhoneNumber } from '#phone';
import { type RunningApi, startApi } from '../support/api.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { UNREACHABLE_TWILIO } from '../support/settings.js';
import { deliveredAs, inboxMessages } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const ANN = '+14155550123' as PhoneNumber;
const BEN = '+4915112345678' as PhoneNumber;

describe('The inbox', () => {
  let api: RunningApi;
  let inbox: InboxProvider;

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE, { FALLBACK: 'sms>whatsapp', PUBLIC_URL: 'https://codes.example' });
    inbox = api.nest.get(InboxProvider);
  });
  beforeEach(() => inbox.clear());
  afterAll(() => api.stop());

  const send = (to: PhoneNumber, code: string) =>
    inbox.send({
      ...{ to, channel: 'sms', locale: 'en', body: `${code} is it`, code },
      ...{ validForSeconds: 300, reference: 'none' },
    });

  it('lists messages, newest first', async () => {
    const first = await send(ANN, '111111');
    const second = await send(BEN, '222222');
    const { body } = await api.client.get('/dev/inbox/messages');
    const message = (id: string, to: string, code: string) => {
      const about = { channel: 'sms', locale: 'en', segments: 1, history: [] };
      return { id, to, body: `${code} is it`, code, ...about, created_at: expect.stringMatching(/Z$/) };
    };
    expect(body).toEqual([
      message(second.providerId, BEN, '222222'),
      message(first.providerId, ANN, '111111'),
    ]);
  });

  it.each(['%2B14155550123', '+14155550123', '%2B1%20415%20555%200123'])(
    'lists the messages to %s',
    async (to) => {
      await send(ANN, '111111');
      await send(BEN, '222222');
      const { body } = await api.client.get(`/dev/inbox/messages?to=${to}`);
      expect(body.map(({ code }: { code: string }) => code)).toEqual(['111111']);
    },
  );

  it.each(['', 'ann', '14155550123', '%2B1', '%2B14155550123&to=%2B4915112345678', '%00'])(
    'rejects the recipient "%s"',
    async (to) => {
      const { status, body } = await api.client.get(`/dev/inbox/messages?to=${to}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    },
  );

  it('deletes all messages on request, and the oldest beyond a thousand', async () => {
    for (let n = 1; n <= 1_001; n += 1) await send(ANN, String(n));
    expect(inbox.messages()).toHaveLength(1_000);
    expect(inbox.messages().at(-1)?.code).toBe('2');
    expect((await api.client.delete('/dev/inbox/messages')).status).toBe(204);
    expect(inbox.messages()).toEqual([]);
  });

  it('answers on every route only to requests that name this server, so that no web page reads codes', async () => {
    const { providerId } = await send(ANN, '111111');
    const routes = [
      ['GET', '/dev/inbox'],
      ['GET', '/dev/inbox/messages'],
      ['DELETE', '/dev/inbox/messages'],
      ['POST', `/dev/inbox/messages/${providerId}/deliver`],
      ['POST', `/dev/inbox/messages/${providerId}/fail`],
      ['GET', '/dev/inbox/plan'],
      ['PUT', '/dev/inbox/plan'],
    ] as const;
    const { port } = new URL(api.client.url);
    for (const [method, path] of routes) {
      for (const host of [
        'evil.example',
        `evil.example:${port}`,
        `localhost.evil.example:${port}`,
        '192.0.2.1',
      ]) {
        const { status, body } = await api.client.send(method, path, undefined, { host });
        expect([method, path, host, status, body.code]).toEqual([
          method,
          path,
          host,
          421,
          'misdirected_request',
        ]);
      }
    }
    for (const host of [
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      'codes.example',
      'codes.example:8443',
    ])
      expect((await api.client.get('/dev/inbox/messages', { host })).body).toHaveLength(1);
  });

  describe('with a plan', () => {
    const post = (path: string) => api.client.send('POST', path);
    const plan = (outcome: string) =>
      api.client.send('PUT', '/dev/inbox/plan', JSON.stringify({ outcome }), {
        'content-type': 'application/json',
      });
    afterEach(() => plan('deliver'));

    async function open(): Promise<string> {
      const { body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
      return `/v1/verifications/${body.id}`;
    }

    const deliveryOf = (path: string, status: string) => deliveredAs(api.client, path, status);

    const newest = async () => (await api.client.get('/dev/inbox/messages')).body[0];
    /** Without "accepted", which is not recorded when the inbox reports an outcome first. */
    const statuses = ({ history }: { history: { status: string }[] }) =>
      history.map(({ status }) => status).filter((status) => status !== 'accepted');

    it('reads and changes the plan', async () => {
      expect((await api.client.get('/dev/inbox/plan')).body).toEqual({ outcome: 'deliver' });
      expect((await plan('fail')).body).toEqual({ outcome: 'fail' });
      expect((await api.client.get('/dev/inbox/plan')).body).toEqual({ outcome: 'fail' });
      const refused = await plan('explode');
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, '/outcome']);
    });

    it('"deliver" delivers messages', async () => {
      expect((await deliveryOf(await open(), 'delivered')).delivery.reason).toBeNull();
      expect(statuses(await newest())).toEqual(['queued', 'delivered']);
    });

    it('"fail" fails each message, also the one of the fallback channel', async () => {
      await plan('fail');
      const path = await open();
      const replaced = await waitFor('the fallback', async () => {
        const { body } = await api.client.get(path);
        return body.channel === 'whatsapp' && body;
      });
      expect(replaced.status).toBe('pending');
      expect((await deliveryOf(path, 'undelivered')).delivery.reason).toBe('unreachable');
      const [second, first] = (await api.client.get('/dev/inbox/messages')).body;
      expect(statuses(first)).toEqual(['queued', 'undelivered', 'replaced by whatsapp']);
      expect(statuses(second)).toEqual(['queued', 'undelivered']);
      expect(second.code).toBe(first.code);
    });

    it('"delay" reports nothing until the message is delivered or failed by hand', async () => {
      await plan('delay');
      const [path, other] = [await open(), await open()];
      await deliveryOf(path, 'sent');
      await deliveryOf(other, 'sent');
      const [theOther, message] = (await api.client.get('/dev/inbox/messages')).body;
      expect((await post(`/dev/inbox/messages/${message.id}/deliver`)).status).toBe(204);
      await deliveryOf(path, 'delivered');
      await plan('deliver');
      expect((await post(`/dev/inbox/messages/${theOther.id}/fail`)).status).toBe(204);
      expect((await deliveryOf(other, 'delivered')).channel).toBe('whatsapp');
    });

    it('answers 404 for unknown messages', async () => {
      const { status, body } = await post('/dev/inbox/messages/unknown/fail');
      expect([status, body.code]).toEqual([404, 'not_found']);
      expect((await post('/dev/inbox/messages/unknown/deliver')).status).toBe(404);
    });
  });

  it('lists channel, language and segments', async () => {
    const headers = { 'accept-language': 'hi, en;q=0.5' };
    const phone_number = someNumber();
    await api.client.post('/v1/verifications', { phone_number }, headers);
    const message = await waitFor('the message', async () => {
      const [newest] = await inboxMessages(api.client, phone_number);
      return newest;
    });
    expect(message).toMatchObject({ channel: 'sms', locale: 'hi', segments: 1 });
    await api.client.post('/v1/verifications', { phone_number: someNumber(), channel: 'call' });
    await waitFor('the call', async () => {
      const { body } = await api.client.get('/dev/inbox/messages');
      return body[0].channel === 'call' && body[0].segments === null;
    });
  });

  it('has a page whose policy allows only its own script and style', async () => {
    const { headers, body } = await api.client.get('/dev/inbox');
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = headers.get('content-security-policy') as string;
    for (const tag of ['script', 'style']) {
      const text = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(body)?.[1] as string;
      expect(policy).toContain(`${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`);
    }
    expect(policy).not.toContain('unsafe');
  });

  it('does not exist when another provider sends the messages', async () => {
    const real = await startApi(POSTGRES_ALONE, UNREACHABLE_TWILIO);
    const { status } = await real.client.get('/dev/inbox/messages');
    await real.stop();
    expect(status).toBe(404);
  });
});
