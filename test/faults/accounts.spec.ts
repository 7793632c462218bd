import sharp from 'sharp';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { Answer as TwilioAnswer } from '../support/fake-twilio.js';
import { someNumber } from '../support/phone-numbers.js';
import type { ServerProcess } from '../support/server-process.js';
import { codeIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const NOTICE = 'was changed';

describe.each(modes)('Accounts on $name, with processes that share the stores', (mode) => {
  let deployment: Deployment;

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
  });
  afterEach(() => deployment.close());

  const codeFor = (number: string) =>
    waitFor('the code', () => deployment.twilio.messagesTo(number).map(codeIn).find(Boolean));
  const noticesTo = (number: string) =>
    deployment.twilio.messagesTo(number).filter(({ body }) => body.includes(NOTICE));

  /** Requests a code from one process, and checks it at the other. */
  async function prove(
    [asked, checked]: readonly [ServerProcess, ServerProcess],
    path: string,
    number: string,
    token?: string,
  ): Promise<Answer> {
    const [asking, checking] = [asked, checked].map(({ client }) => (token ? client.as(token) : client));
    const { status, body } = await (asking as typeof asked.client).post(path, { phone_number: number });
    expect(status).toBe(202);
    const code = await codeFor(number);
    return (checking as typeof asked.client).post(`/v1/verifications/${body.id}/check`, { code });
  }

  it('has one state of sessions, numbers, avatars and accounts in both', async () => {
    const [one, other] = [await deployment.start(), await deployment.start()];
    const numbers = [someNumber(), someNumber()] as const;
    const { body: session } = await prove([one, other], '/v1/verifications', numbers[0]);
    const { body: refreshed } = await one.client.post('/v1/session/refresh', {
      refresh_token: session.refresh_token,
    });
    const statuses = async (token: string) => [
      (await one.client.as(token).get('/v1/me')).status,
      (await other.client.as(token).get('/v1/me')).status,
    ];
    for (const { token } of [session, refreshed]) expect(await statuses(token)).toEqual([200, 200]);

    const { status, body: moved } = await prove(
      [other, one],
      '/v1/me/phone_number',
      numbers[1],
      session.token,
    );
    expect([status, moved.user.phone_number]).toEqual([200, numbers[1]]);
    for (const server of [one, other])
      expect((await server.client.as(session.token).get('/v1/me')).body.phone_number).toBe(numbers[1]);
    await waitFor('the notice', () => noticesTo(numbers[0]).length === 1);

    const image = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const { body: user } = await one.client
      .as(moved.token)
      .send('PUT', '/v1/me/avatar', image, { 'content-type': 'image/png' });
    expect((await other.client.as(moved.token).get('/v1/me')).body.avatar).toEqual(user.avatar);
    expect((await other.client.get(user.avatar.small)).status).toBe(200);

    expect((await other.client.as(moved.token).delete('/v1/me')).status).toBe(204);
    for (const { token } of [session, refreshed, moved]) expect(await statuses(token)).toEqual([401, 401]);
    expect((await one.client.get(user.avatar.small)).status).toBe(404);
  });

  it('sends the notice of a changed number although the process is killed after its answer', async () => {
    const sending = await deployment.start();
    const numbers = [someNumber(), someNumber()] as const;
    const { body: session } = await prove([sending, sending], '/v1/verifications', numbers[0]);
    const accepting = await deployment.start({ BACKGROUND: 'off' });
    const { body } = await accepting.client
      .as(session.token)
      .post('/v1/me/phone_number', { phone_number: numbers[1] });
    const code = await codeFor(numbers[1]);
    await sending.end('SIGKILL');
    const { status } = await accepting.client
      .as(session.token)
      .post(`/v1/verifications/${body.id}/check`, { code });
    await accepting.end('SIGKILL');
    expect(status).toBe(200);
    expect(noticesTo(numbers[0])).toEqual([]);
    await deployment.start();
    await waitFor('the notice', () => noticesTo(numbers[0]).length === 1, 60_000);
  });

  it('retries a notice that the provider defers, and gives up one that it refuses or leaves unanswered', async () => {
    const server = await deployment.start();
    const { twilio } = deployment;
    const ended = async () => {
      const { body } = await server.client.get('/metrics');
      const counts = [...body.matchAll(/^latchkey_notices_total\{[^}]*\} (\d+)/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const cases: readonly [answers: TwilioAnswer[], requests: number, notices: number][] = [
      [[{ fail: 503 }, { throttle: '1' }], 3, 1],
      [[{ refuse: 21_610 }], 1, 0],
      // Twilio accepts it, and the connection ends before its answer.
      [['cut', 'cut'], 2, 2],
    ];
    for (const [index, [answers, requests, notices]] of cases.entries()) {
      const numbers = [someNumber(), someNumber()] as const;
      const { body: session } = await prove([server, server], '/v1/verifications', numbers[0]);
      const { body } = await server.client
        .as(session.token)
        .post('/v1/me/phone_number', { phone_number: numbers[1] });
      const code = await codeFor(numbers[1]);
      const before = twilio.requestsFor(numbers[0]);
      twilio.answer(...answers);
      await server.client.as(session.token).post(`/v1/verifications/${body.id}/check`, { code });
      await waitFor('the end of the notice', async () => (await ended()) === index + 1);
      expect([twilio.requestsFor(numbers[0]) - before, noticesTo(numbers[0]).length]).toEqual([
        requests,
        notices,
      ]);
    }
  });
});
