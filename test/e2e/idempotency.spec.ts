import { once } from 'node:events';
import { IdempotencyService } from '#idempotency';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { mainlyOn } from '../support/databases.js';
import { whileLocked } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { connectTo, rawPost } from '../support/raw-http.js';
import { times } from '../support/repeat.js';
import { USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { inboxMessages, openVerification, untilCooledDown, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

let lastKey = 0;

/** Headers with a key that no other request has. */
function newKey(): { 'idempotency-key': string } {
  lastKey += 1;
  return { 'idempotency-key': `k${lastKey}` };
}

describe.each(mainlyOn('redis'))('Idempotency-Key on $name', (mode) => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode, {
      TRUSTED_PROXIES: '127.0.0.1',
      LIMIT_COOL_DOWN: '1s',
      ...USUAL_DATABASE_TIMEOUT,
    });
  });
  afterAll(() => api.stop());

  const post = (path: string, body: object, headers = {}) => api.client.post(path, body, headers);

  async function count(table: string): Promise<number> {
    const [row] = await api.database.query<{ count: number }>(`select count(*)::integer from ${table}`);
    return row?.count as number;
  }

  /** Sends a check and closes the connection while the server waits for a lock, so that the answer has no receiver. */
  async function loseAnswer(path: string, body: object, headers: Record<string, string>): Promise<void> {
    const before = await count('tokens');
    await whileLocked(api.database, 'users', async () => {
      const json = JSON.stringify(body);
      const socket = connectTo(api.client);
      socket.write(rawPost(path, { 'Content-Length': json.length, ...headers }, json));
      await waitFor('the claim of the request', async () => {
        const held = 'select from idempotent_answers where answer is null and expires_at > clock_timestamp()';
        return (await api.database.query(held)).length > 0;
      });
      socket.destroy();
      await once(socket, 'close');
    });
    await waitFor('the session', async () => (await count('tokens')) === before + 1);
  }

  function expectOneAnswer(answers: Answer[], status: number): void {
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([status]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
  }

  it('repeats the session of a check whose answer was lost', async () => {
    const { path, code, phone_number } = await openVerification(api);
    const key = newKey();
    await loseAnswer(`${path}/check`, { code }, key);
    const sessions = await count('tokens');

    const answers = [await post(`${path}/check`, { code }, key), await post(`${path}/check`, { code }, key)];

    expectOneAnswer(answers, 200);
    expect(answers[0]?.body).toMatchObject({ is_new_user: true, user: { phone_number } });
    expect(answers[1]?.headers.get('set-cookie')).toContain(answers[0]?.body.device_token);
    expect((await api.client.as(answers[0]?.body.token).get('/protected')).status).toBe(200);
    expect(await count('tokens')).toBe(sessions);
  });

  it('repeats no session for another key, address, device, code or route', async () => {
    const { path, code, phone_number } = await openVerification(api);
    const key = newKey();
    await loseAnswer(`${path}/check`, { code }, key);

    const elsewhere = { ...key, 'x-forwarded-for': '198.51.100.7' };
    const others = [
      await post(`${path}/check`, { code }, newKey()),
      await post(`${path}/check`, { code }),
      await post(`${path}/check`, { code }, elsewhere),
      await post(`${path}/check`, { code, device_token: 'another device' }, key),
      await post(`${path}/check`, { code: wrongCode(code) }, key),
      await post(`${path}/resend`, { code }, key),
      await post('/signup', { phone_number, otp: code }, key),
    ];

    expect(others.map(({ status }) => status)).toEqual([410, 410, 410, 410, 410, 400, 401]);
    expect((await post(`${path}/check`, { code }, key)).status).toBe(200);
  });

  it('signs in once for 500 requests with one key on two replicas', async () => {
    const replica = await startReplica(api);
    const { path, code } = await openVerification(api);
    const [key, sessions] = [newKey(), await count('tokens')];

    const answers = await Promise.all(
      times(500, (i) => (i % 2 ? api : replica).client.post(`${path}/check`, { code }, key)),
    );
    await replica.stop();

    // A busy machine may refuse some of them before they are counted.
    const answered = answers.filter(({ status }) => status !== 503);
    expectOneAnswer(answered, 200);
    expectOneAnswer([await post(`${path}/check`, { code }, key), ...answered], 200);
    expect(await count('tokens')).toBe(sessions + 1);
  });

  it('counts one attempt for wrong codes with one key at once, and another for a later one', async () => {
    const { path, code } = await openVerification(api);
    const key = newKey();
    const check = () => post(`${path}/check`, { code: wrongCode(code) }, key);

    expectAttempts(await Promise.all(times(20, check)), 4);
    expectAttempts([await check()], 3);

    function expectAttempts(answers: Answer[], left: number) {
      expect(new Set(answers.map(({ body }) => body.attempts_left))).toEqual(new Set([left]));
    }
  });

  it('sends one message for a request for a code that is repeated', async () => {
    const [request, key] = [{ phone_number: someNumber() }, newKey()];
    const opened = [
      await post('/v1/verifications', request, key),
      await post('/v1/verifications', request, key),
    ];
    expectOneAnswer(opened, 202);
    expect(opened[1]?.headers.get('location')).toBe(opened[0]?.headers.get('location'));
    await api.codeFor(request.phone_number);

    const path = `/v1/verifications/${opened[0]?.body.id}/resend`;
    const resendKey = newKey();
    const resent = [await untilCooledDown(() => post(path, {}, resendKey)), await post(path, {}, resendKey)];
    expectOneAnswer(resent, 202);

    const signUp = { phone_number: someNumber() };
    expectOneAnswer(await Promise.all(times(10, () => post('/signup', signUp, resendKey))), 200);
    await api.codeFor(signUp.phone_number);
    await waitFor('the second message', async () => (await messagesTo(request)) === 2);
    expect(await messagesTo(signUp)).toBe(1);

    async function messagesTo({ phone_number }: { phone_number: string }) {
      return (await inboxMessages(api.client, phone_number)).length;
    }
  });

  it('stores neither tokens nor the requests, and nothing of what was refused', async () => {
    const { path, code, phone_number } = await openVerification(api);
    const key = { 'idempotency-key': 'a-key-that-is-not-stored' };
    const { body } = await post(`${path}/check`, { code }, key);
    const rows = await count('idempotent_answers');
    expect((await post(`${path}/check`, { code: wrongCode(code) }, key)).status).toBe(410);
    expect((await post('/v1/verifications', { phone_number: '+19005550123' }, key)).status).toBe(422);
    expect((await post('/v1/verifications', { phone_number: '1' }, key)).status).toBe(400);
    expect(await count('idempotent_answers')).toBe(rows);

    const dump = JSON.stringify(await api.database.query('select * from idempotent_answers'));
    const secrets = [body.token, body.device_token, body.user.id, phone_number, key['idempotency-key']];
    for (const secret of secrets) expect(dump).not.toContain(secret);
    const decoded = Buffer.from(dump.replace(/[^\w-]/g, ''), 'base64url').toString('latin1');
    expect(decoded).not.toContain(body.token);
  });

  it('forgets an answer after its time, and deletes it', async () => {
    const { path, code } = await openVerification(api);
    const key = newKey();
    expect((await post(`${path}/check`, { code }, key)).status).toBe(200);
    await api.database.query(`update idempotent_answers set expires_at = now() - interval '1 second'`);

    expect((await post(`${path}/check`, { code }, key)).status).toBe(410);

    await post('/v1/verifications', { phone_number: someNumber() }, newKey());
    await api.database.query(`update idempotent_answers set expires_at = now() - interval '1 second'`);
    await api.nest.get(IdempotencyService, { strict: false }).purge();
    expect(await count('idempotent_answers')).toBe(0);
  });

  it('answers 503 within seconds while the process that took the request does not answer', async () => {
    const [request, key] = [{ phone_number: someNumber() }, newKey()];
    await post('/v1/verifications', request, key);
    await api.database.query(
      `update idempotent_answers set answer = null, expires_at = now() + interval '1 hour'`,
    );

    const { status, headers } = await post('/v1/verifications', request, key);

    expect([status, headers.get('retry-after')]).toEqual([503, '2']);
  });

  it.each([
    ['that is empty', ''],
    ['that is too long', 'k'.repeat(256)],
    ['with a space', 'a b'],
    ['with letters outside of ASCII', 'clé'],
  ])('rejects a key %s', async (_, key) => {
    const request = { phone_number: someNumber() };
    const { status, body } = await post('/v1/verifications', request, { 'idempotency-key': key });
    expect([status, body.code, body.detail]).toEqual([
      400,
      'invalid_request',
      expect.stringContaining('Idempotency-Key'),
    ]);
  });
});
