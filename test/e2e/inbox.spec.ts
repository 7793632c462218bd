import { createHash } from 'node:crypto';
import { InboxSender } from '#messaging';
import type { PhoneNumber } from '#phone';
import { type RunningApi, startApi } from '../support/api.js';

const ANN = '+14155550123' as PhoneNumber;
const BEN = '+4915112345678' as PhoneNumber;

describe('The inbox', () => {
  let api: RunningApi;
  let inbox: InboxSender;

  beforeAll(async () => {
    api = await startApi({ name: 'Postgres alone', redis: false });
    inbox = api.nest.get(InboxSender);
  });
  beforeEach(() => inbox.clear());
  afterAll(() => api.stop());

  const send = (to: PhoneNumber, code: string) =>
    inbox.send({ to, channel: 'sms', body: `${code} is it`, code, validForSeconds: 300 });

  it('lists what was sent, newest first', async () => {
    const first = await send(ANN, '111111');
    const second = await send(BEN, '222222');
    const { body } = await api.client.get('/dev/inbox/messages');
    const message = (id: string, to: string, code: string) => {
      return { id, to, channel: 'sms', body: `${code} is it`, code, created_at: expect.stringMatching(/Z$/) };
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
