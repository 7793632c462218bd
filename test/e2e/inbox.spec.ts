import { createHash } from 'node:crypto';
import { InboxSender } from '#messaging';
import type { PhoneNumber } from '#phone';
import { type RunningApi, someNumber, startApi } from '../support/api.js';
import { waitFor } from '../support/wait.js';

const ANN = '+14155550123' as PhoneNumber;
const BEN = '+4915112345678' as PhoneNumber;

describe('The inbox', () => {
  let api: RunningApi;
  let inbox: InboxSender;

  beforeAll(async () => {
    api = await startApi({ name: 'Postgres alone', redis: false }, { FALLBACK: 'sms>whatsapp' });
    inbox = api.nest.get(InboxSender);
  });
  beforeEach(() => inbox.clear());
  afterAll(() => api.stop());

  const send = (to: PhoneNumber, code: string) =>
    inbox.send({
      ...{ to, channel: 'sms', locale: 'en', body: `${code} is it`, code },
      ...{ validForSeconds: 300, reference: 'none' },
    });

  it('lists what was sent, newest first', async () => {
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

  it.each(['%2B14155550123', '+14155550123', '%2B1%20415%20555%200123'])('lists those to %s', async (to) => {
    await send(ANN, '111111');
    await send(BEN, '222222');
    const { body } = await api.client.get(`/dev/inbox/messages?to=${to}`);
    expect(body.map(({ code }: { code: string }) => code)).toEqual(['111111']);
  });

  it.each(['', 'ann', '14155550123', '%2B1', '%2B14155550123&to=%2B4915112345678', '%00'])(
    'refuses the recipient "%s"',
    async (to) => {
      const { status, body } = await api.client.get(`/dev/inbox/messages?to=${to}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    },
  );

  it('forgets when it is told to, and the oldest beyond a thousand', async () => {
    for (let n = 1; n <= 1_001; n += 1) await send(ANN, String(n));
    expect(inbox.messages()).toHaveLength(1_000);
    expect(inbox.messages().at(-1)?.code).toBe('2');
    expect((await api.client.delete('/dev/inbox/messages')).status).toBe(204);
    expect(inbox.messages()).toEqual([]);
  });

  describe('plays', () => {
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

    function deliveryOf(path: string, status: string) {
      return waitFor(`a message that is ${status}`, async () => {
        const { body } = await api.client.get(path);
        return body.delivery.status === status && body;
      });
    }

    const newest = async () => (await api.client.get('/dev/inbox/messages')).body[0];
    const statuses = ({ history }: { history: { status: string }[] }) => history.map(({ status }) => status);

    it('what it is told to from now on', async () => {
      expect((await api.client.get('/dev/inbox/plan')).body).toEqual({ outcome: 'deliver' });
      expect((await plan('fail')).body).toEqual({ outcome: 'fail' });
      expect((await api.client.get('/dev/inbox/plan')).body).toEqual({ outcome: 'fail' });
      const refused = await plan('explode');
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, '/outcome']);
    });

    it('messages that arrive', async () => {
      expect((await deliveryOf(await open(), 'delivered')).delivery.reason).toBeNull();
      expect(statuses(await newest())).toEqual(['queued', 'delivered']);
    });

    it('a phone that is switched off, and another channel that is not', async () => {
      await plan('fail');
      const path = await open();
      const fallen = await waitFor('the fallback', async () => {
        const { body } = await api.client.get(path);
        return body.channel === 'whatsapp' && body;
      });
      expect(fallen.status).toBe('pending');
      expect((await deliveryOf(path, 'undelivered')).delivery.reason).toBe('unreachable');
      const [second, first] = (await api.client.get('/dev/inbox/messages')).body;
      expect(statuses(first)).toEqual(['queued', 'accepted', 'undelivered', 'replaced by whatsapp']);
      expect(statuses(second)).toEqual(['queued', 'accepted', 'undelivered']);
      expect(second.code).toBe(first.code);
    });

    it('messages of which nothing is heard until somebody says what became of them', async () => {
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

    it('nothing on messages that there are not', async () => {
      const { status, body } = await post('/dev/inbox/messages/nobody/fail');
      expect([status, body.code]).toEqual([404, 'not_found']);
      expect((await post('/dev/inbox/messages/nobody/deliver')).status).toBe(404);
    });
  });

  it('tells channel, language and segments', async () => {
    const headers = { 'accept-language': 'hi, en;q=0.5' };
    const phone_number = someNumber();
    await api.client.post('/v1/verifications', { phone_number }, headers);
    const message = await waitFor('the message', async () => {
      const { body } = await api.client.get(`/dev/inbox/messages?to=${encodeURIComponent(phone_number)}`);
      return body[0];
    });
    expect(message).toMatchObject({ channel: 'sms', locale: 'hi', segments: 1 });
    await api.client.post('/v1/verifications', { phone_number: someNumber(), channel: 'call' });
    await waitFor('the call', async () => {
      const { body } = await api.client.get('/dev/inbox/messages');
      return body[0].channel === 'call' && body[0].segments === null;
    });
  });

  it('is a page that runs its own script and style and nothing else', async () => {
    const { headers, body } = await api.client.get('/dev/inbox');
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = headers.get('content-security-policy') as string;
    for (const tag of ['script', 'style']) {
      const text = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(body)?.[1] as string;
      expect(policy).toContain(`${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`);
    }
    expect(policy).not.toContain('unsafe');
  });

  it('is not there when messages go out', async () => {
    const TWILIO = {
      TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
      TWILIO_AUTH_TOKEN: '0'.repeat(32),
      TWILIO_FROM: '+15005550006',
    };
    const real = await startApi({ name: 'Postgres alone', redis: false }, TWILIO);
    const { status } = await real.client.get('/dev/inbox/messages');
    await real.stop();
    expect(status).toBe(404);
  });
});
