import { SendNoticeTask } from '#delivery';
import { Keys } from '#keys';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { modes } from '../support/databases.js';
import { dumpPostgres, dumpRedis } from '../support/dumps.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import {
  inboxMessages,
  type OpenedVerification,
  openAnother,
  openSession,
  untilCooledDown,
  wrongCode,
} from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

type Session = Answer['body'];

describe.each(modes)('POST /v1/me/phone_number on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode, { LIMIT_COOL_DOWN: '1s' });
    replica = await startReplica(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const as = ({ token }: Session, server = api): Client => server.client.as(token);

  const session = (members: Record<string, unknown> = {}): Promise<Session> => openSession(api, members);

  /** Requests a change of the session's number, and waits for its code. */
  const change = (by: Session, phone_number = someNumber()): Promise<OpenedVerification> =>
    openAnother(api, phone_number, () => as(by).post('/v1/me/phone_number', { phone_number }));

  const notices = async (phoneNumber: string) =>
    (await inboxMessages(api.client, phoneNumber)).filter(({ code }) => code === null);
  const statusesOf = (...sessions: Session[]) =>
    Promise.all(
      [api, replica].flatMap((server) =>
        sessions.map(async (each) => (await as(each, server).get('/v1/me')).status),
      ),
    );

  it('is answered with the path of its verification, and its tag', async () => {
    const first = await session();
    const { headers, body } = await as(first).post('/v1/me/phone_number', { phone_number: someNumber() });
    const path = `/v1/verifications/${body.id}`;
    expect(headers.get('location')).toBe(path);
    expect(headers.get('etag')).toMatch(/^"[\w-]{22}"$/);
  });

  it('moves the account, ends the other sessions in every process, and tells the number from before', async () => {
    const first = await session({ name: 'Ada' });
    const { phone_number: before, id: userId } = first.user;
    const { path: again, code: againCode } = await openAnother(api, before);
    const other = (await api.client.post(`${again}/check`, { code: againCode })).body;
    expect(await statusesOf(first, other)).toEqual([200, 200, 200, 200]);

    const { path, code, phone_number } = await change(first);
    const { status, body } = await as(first, replica).post(`${path}/check`, { code });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ session_id: first.session_id, is_new_user: false, token_type: 'Bearer' },
      user: { id: userId, name: 'Ada', phone_number, version: 2 },
    });
    expect(await statusesOf(first, body, other)).toEqual([200, 200, 401, 200, 200, 401]);
    for (const each of [first, body])
      for (const server of [api, replica])
        expect((await as(each, server).get('/v1/me')).body.phone_number).toBe(phone_number);
    expect((await api.client.get(path)).body.status).toBe('approved');

    const notice = await waitFor('the notice', async () => (await notices(before))[0]);
    expect(notice).toMatchObject({ channel: 'sms', locale: 'en', code: null, segments: 1 });
    expect(notice.body).toContain('The phone number of your Latchkey account was changed');
    await waitFor('the end of the notice', async () => {
      return (await api.database.query('select from notices')).length === 0;
    });
    expect(await notices(phone_number)).toEqual([]);
    const { events, sessions } = (await as(body).get('/v1/me/export')).body;
    expect(events.map(({ kind }: { kind: string }) => kind)).toContain('number_changed');
    expect(sessions.find(({ id }: { id: string }) => id === other.session_id)).toMatchObject({
      end_reason: 'number_changed',
    });
    // The old number is free, and its next sign-in makes another account.
    const { path: free, code: freeCode } = await openAnother(api, before);
    expect((await api.client.post(`${free}/check`, { code: freeCode })).body).toMatchObject({
      ...{ is_new_user: true, user: { phone_number: before } },
    });
    // The new one finds the account.
    const { path: back, code: backCode } = await openAnother(api, phone_number);
    expect((await api.client.post(`${back}/check`, { code: backCode })).body.user.id).toBe(userId);
  });

  it('returns the refresh token of the session, which stays usable with the one from before', async () => {
    const first = await session();
    const { path, code } = await change(first);
    const { body } = await as(first).post(`${path}/check`, { code });
    expect(body.refresh_token).toBe(first.refresh_token);
    const refreshed = await replica.client.post('/v1/session/refresh', { refresh_token: body.refresh_token });
    expect(refreshed.body).toMatchObject({ session_id: first.session_id, user: body.user });
  });

  it('moves an account whose only token is from before there were sessions', async () => {
    const first = await session();
    await api.database.query('update tokens set session_id = null where session_id = $1', [first.session_id]);
    await api.database.query('delete from sessions where id = $1', [first.session_id]);

    const { path, code, phone_number } = await change(first);
    const { body } = await as(first).post(`${path}/check`, { code });
    expect(body.user.phone_number).toBe(phone_number);
    expect((await api.client.post('/v1/session/refresh', { refresh_token: body.refresh_token })).status).toBe(
      200,
    );
  });

  it('needs the session that requested it, and counts no attempt without it', async () => {
    const [first, stranger] = [await session(), await session()];
    const { path, code } = await change(first);
    const answers = [
      await api.client.post(`${path}/check`, { code }),
      await api.client.as('A'.repeat(26)).post(`${path}/check`, { code }),
      await as(stranger).post(`${path}/check`, { code }),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual([
      [401, 'unauthenticated'],
      [401, 'invalid_token'],
      [404, 'not_found'],
    ]);
    expect((await api.client.get(path)).body).toMatchObject({ status: 'pending', attempts_left: 5 });
    expect((await as(first).post(`${path}/check`, { code })).status).toBe(200);
  });

  it('needs a sign-in within ten minutes, or a device that has signed in on the number before', async () => {
    const first = await session();
    await api.database.query(`update sessions set created_at = now() - interval '10 minutes' where id = $1`, [
      first.session_id,
    ]);
    const ask = (members: object) =>
      as(first).post('/v1/me/phone_number', { phone_number: someNumber(), ...members });
    const { device_token: strange } = await session();
    for (const members of [{}, { device_token: strange }]) {
      const { status, body } = await ask(members);
      expect([status, body.code]).toEqual([403, 'recent_sign_in_required']);
    }
    expect((await ask({ device_token: first.device_token })).status).toBe(202);
  });

  it('repeats the answer of a check to the same session only', async () => {
    const [first, stranger] = [await session(), await session()];
    const { path, code } = await change(first);
    const check = (client: Client) =>
      client.post(`${path}/check`, { code }, { 'idempotency-key': 'of-the-check' });
    const { status, body } = await check(as(first));
    expect([status, (await check(as(first))).body]).toEqual([200, body]);
    for (const client of [api.client, as(stranger)])
      expect((await check(client)).body.code).toBe('verification_closed');
  });

  it('is void once its session has ended', async () => {
    const first = await session();
    const { path, code } = await change(first);
    expect((await as(first).delete('/v1/session')).status).toBe(204);
    expect((await as(first).post(`${path}/check`, { code })).body.code).toBe('invalid_token');
    expect((await api.client.post(`${path}/check`, { code })).body.code).toBe('unauthenticated');
  });

  it('rejects the right code of a number with an account as it rejects a wrong code', async () => {
    const [first, other] = [await session(), await session()];
    const taken = await change(first, other.user.phone_number);
    const free = await change(first);
    const rejected = await as(first).post(`${taken.path}/check`, { code: taken.code });
    const wrong = await as(first).post(`${free.path}/check`, { code: wrongCode(free.code) });
    expect(rejected.status).toBe(401);
    const withoutId = ({ status, body }: Answer) => [status, { ...body, instance: 'the request' }];
    expect(withoutId(rejected)).toEqual(withoutId(wrong));
    expect(rejected.body.attempts_left).toBe(4);
    for (let left = 3; left >= 0; left -= 1) {
      const { body } = await as(first).post(`${taken.path}/check`, { code: taken.code });
      expect(body.attempts_left).toBe(left);
    }
    expect((await api.client.get(taken.path)).body.status).toBe('max_attempts_reached');
    expect((await as(other).get('/v1/me')).body.phone_number).toBe(other.user.phone_number);
    expect((await as(first).get('/v1/me')).body.phone_number).toBe(first.user.phone_number);
  });

  it('lets one of many right codes move the account, once', async () => {
    const first = await session();
    const { path, code, phone_number } = await change(first);
    const answers = await mapInFlight(
      times(20, (i) => i),
      (i) => as(first, i % 2 ? api : replica).post(`${path}/check`, { code }),
      BURST,
    );
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([200, ...times(19, () => 410)]);
    expect((await as(first).get('/v1/me')).body).toMatchObject({ phone_number, version: 2 });
    await waitFor('the notice', async () => (await notices(first.user.phone_number)).length === 1);
  });

  it('lets one of two accounts that prove the same number have it', async () => {
    const [first, second] = [await session(), await session()];
    const phone_number = someNumber();
    const changes = [await change(first, phone_number), await change(second, phone_number)];
    const answers = await Promise.all(
      [first, second].map((each, i) =>
        as(each, i ? api : replica).post(`${changes[i]?.path}/check`, { code: changes[i]?.code }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401]);
    expect(answers.find(({ status }) => status === 401)?.body.code).toBe('code_rejected');
    const held = await Promise.all(
      [first, second].map(async (each) => (await as(each).get('/v1/me')).body.phone_number),
    );
    expect(held.filter((number) => number === phone_number)).toHaveLength(1);
  });

  it('refuses the number of the account, and a fourth change within a day', async () => {
    const first = await session();
    const own = await as(first).post('/v1/me/phone_number', { phone_number: first.user.phone_number });
    expect([own.status, own.body.errors[0].pointer]).toEqual([400, '/phone_number']);
    for (let n = 1; n <= 3; n += 1) {
      const { path, code } = await change(first);
      expect((await as(first).post(`${path}/check`, { code })).status).toBe(200);
    }
    const { status, body, headers } = await as(first).post('/v1/me/phone_number', {
      phone_number: someNumber(),
    });
    expect([status, body.limit]).toEqual([429, 'number_changes_per_user']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(86_000);
  });

  it('moves the account three times a day at most, although more changes were requested before', async () => {
    const first = await session();
    const changes: OpenedVerification[] = [];
    for (let n = 0; n < 5; n += 1) changes.push(await change(first));
    const answers = await Promise.all(
      changes.map(({ path, code }, n) => as(first, n % 2 ? api : replica).post(`${path}/check`, { code })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 429, 429]);
    await waitFor('the notices', async () => (await api.database.query('select from notices')).length === 0);
  });

  it('charges the notice like a code', async () => {
    const spent = async () => {
      const [row] = await api.database.query<{ total: number }>(
        `select (state::jsonb ->> 'total')::int as total from abuse_states where key like 'spending:%'`,
      );
      return row?.total ?? 0;
    };
    const first = await session();
    const before = await spent();
    const { path, code } = await change(first);
    const price = (await spent()) - before;
    expect(price).toBeGreaterThan(0);
    await as(first).post(`${path}/check`, { code });
    await waitFor('the notice', async () => (await notices(first.user.phone_number)).length === 1);
    expect((await spent()) - before).toBe(2 * price);
  });

  it('sends no notice to a country that is not allowed any more', async () => {
    const other = await startApi(mode, { ALLOWED_COUNTRIES: 'FR' });
    const [id, number] = ['0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e', someNumber()];
    await other.database.query('insert into notices (id, phone_sealed) values ($1, $2)', [
      id,
      other.nest.get(Keys, { strict: false }).seal(number),
    ]);
    await other.nest.get(SendNoticeTask, { strict: false }).start(id);
    await waitFor('the end of the notice', async () => {
      return (await other.database.query('select from notices')).length === 0;
    });
    expect(await inboxMessages(other.client, number)).toEqual([]);
    await other.stop();
  });

  it('writes the notice in the language of the user', async () => {
    const first = await session();
    await as(first).send('PATCH', '/v1/me', JSON.stringify({ locale: 'de' }), {
      'content-type': 'application/json',
    });
    const { path, code } = await change(first);
    await as(first).post(`${path}/check`, { code });
    const notice = await waitFor('the notice', async () => (await notices(first.user.phone_number))[0]);
    expect([notice.locale, notice.body]).toEqual(['de', expect.stringContaining('wurde geändert')]);
  });

  it('gives two requests with one Idempotency-Key one code, and two users two', async () => {
    const [first, second] = [await session(), await session()];
    const body = { phone_number: someNumber() };
    const key = { 'idempotency-key': 'the-same-key' };
    const ask = (by: Session) => as(by).post('/v1/me/phone_number', body, key);
    const [one, repeated] = [await ask(first), await ask(first)];
    expect(repeated.body.id).toBe(one.body.id);
    const another = await untilCooledDown(() => ask(second));
    expect(another.body.id).not.toBe(one.body.id);
  });

  it('sends a notice whose task was lost, and drops one that is a day old', async () => {
    const [lost, old] = [await session(), await session()];
    for (const [{ user }, age] of [
      [lost, '2 minutes'],
      [old, '25 hours'],
    ] as const)
      await api.database.query(
        `insert into notices (id, phone_sealed, created_at)
         select gen_random_uuid(), phone_sealed, now() - $2::interval from users where id = $1`,
        [user.id, age],
      );
    await waitFor(
      'the end of both notices',
      async () => (await api.database.query('select from notices')).length === 0,
      40_000,
    );
    expect(await notices(lost.user.phone_number)).toHaveLength(1);
    expect(await notices(old.user.phone_number)).toEqual([]);
  }, 60_000);

  it('stores no number in plain text', async () => {
    const first = await session();
    const { path, code, phone_number } = await change(first);
    await as(first).post(`${path}/check`, { code });
    const dump =
      (await dumpPostgres(api.database)) + (mode.redis ? await dumpRedis(api.config.redisUrl as string) : '');
    for (const number of [phone_number, first.user.phone_number]) expect(dump).not.toContain(number.slice(2));
  });
});
