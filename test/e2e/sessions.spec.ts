import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import { openAnother, openSession } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const SECRET_FORM = /^[A-Z2-7]{26}$/;
const UNKNOWN = 'A'.repeat(26);
const DAY = 86_400_000;

describe.each(modes)('Sessions on $name, with two servers', (mode) => {
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

  const signIn = (phone_number = someNumber()): Promise<Answer['body']> => openSession(api, { phone_number });

  /** Signs the same number in several times. */
  async function signInTwice(): Promise<[Answer['body'], Answer['body']]> {
    const phone_number = someNumber();
    const first = await signIn(phone_number);
    const { path, code } = await openAnother(api, phone_number);
    const { status, body } = await api.client.post(`${path}/check`, { code });
    expect(status).toBe(200);
    return [first, body];
  }

  const servers = () => [api.client, replica.client];
  const refresh = (refresh_token: string, client = api.client) =>
    client.post('/v1/session/refresh', { refresh_token });
  /** Returns the statuses that both servers give the token. */
  const statusesOf = async (token: string) =>
    Promise.all(servers().map(async (client) => (await client.as(token).get('/protected')).status));
  const idsOf = async (token: string) =>
    (await api.client.as(token).get('/v1/sessions')).body.items.map(({ id }: { id: string }) => id);
  /** Moves the first use of all refresh tokens into the past. */
  const age = (seconds: number) =>
    api.database.query(`update refresh_tokens set used_at = used_at - $1 * interval '1 second'`, [seconds]);

  it('begin with a token of two days and a refresh token of thirty', async () => {
    const session = await signIn();
    expect(session).toMatchObject({ session_id: expect.stringMatching(UUID_V7), token_type: 'Bearer' });
    for (const secret of [session.token, session.refresh_token]) expect(secret).toMatch(SECRET_FORM);
    const [ends, refreshEnds] = [Date.parse(session.expires_at), Date.parse(session.refresh_expires_at)];
    expect((ends - Date.now()) / DAY).toBeCloseTo(2, 2);
    expect((refreshEnds - Date.now()) / DAY).toBeCloseTo(30, 2);
  });

  it('begin with a sign-up, too', async () => {
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const { body } = await api.client.post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
    expect((await refresh(body.refresh_token)).status).toBe(200);
    expect(await idsOf(body.token)).toHaveLength(1);
  });

  describe('are listed', () => {
    it('newest first, with the current one marked, and only those of the user', async () => {
      const [first, second] = await signInTwice();
      await signIn();
      for (const [session, marks] of [
        [first, [false, true]],
        [second, [true, false]],
      ] as const) {
        const { status, body } = await replica.client.as(session.token).get('/v1/sessions');
        expect(status).toBe(200);
        expect(body.next_cursor).toBeNull();
        expect(body.items).toEqual(
          [second, first].map(({ session_id }, n) => ({
            ...{ id: session_id, current: marks[n], method: 'sms', address: '127.0.0.1' },
            ...{ created_at: expect.any(String), last_used_at: expect.any(String) },
            ...{ expires_at: expect.any(String), user_agent: null, label: null },
          })),
        );
      }
    });

    it('in pages', async () => {
      const [first, second] = await signInTwice();
      const list = async (query: string) =>
        (await api.client.as(first.token).get(`/v1/sessions${query}`)).body;
      const page = await list('?limit=1');
      expect([page.items.length, page.items[0].id]).toEqual([1, second.session_id]);
      const last = await list(`?limit=1&cursor=${page.next_cursor}`);
      expect([last.items[0].id, last.next_cursor]).toEqual([first.session_id, null]);
    });

    it.each([
      'limit=0',
      'limit=201',
      'limit=x',
      'limit=1e1',
      'limit=1.0',
      'cursor=x',
      'limit=1&limit=2',
      'cursor=x&cursor=y',
    ])('only with a valid query, not with %s', async (query) => {
      const { token } = await signIn();
      const { status, body } = await api.client.as(token).get(`/v1/sessions?${query}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    });
  });

  describe('end', () => {
    it('by signing out: the next request is refused by both servers', async () => {
      const [signedOut, other] = await signInTwice();
      expect(await statusesOf(signedOut.token)).toEqual([200, 200]);
      const { status } = await api.client.as(signedOut.token).delete('/v1/session');
      expect(status).toBe(204);
      expect(await statusesOf(signedOut.token)).toEqual([401, 401]);
      expect((await refresh(signedOut.refresh_token)).body.code).toBe('invalid_token');
      expect(await statusesOf(other.token)).toEqual([200, 200]);
      expect(await idsOf(other.token)).toEqual([other.session_id]);
    });

    it('by their id, with every token that they were refreshed to', async () => {
      const [lost, own] = await signInTwice();
      const { body: refreshed } = await refresh(lost.refresh_token);
      expect(await statusesOf(refreshed.token)).toEqual([200, 200]);
      for (const client of servers())
        expect((await client.as(own.token).delete(`/v1/sessions/${lost.session_id}`)).status).toBe(204);
      for (const { token } of [lost, refreshed]) expect(await statusesOf(token)).toEqual([401, 401]);
      for (const each of [lost, refreshed]) expect((await refresh(each.refresh_token)).status).toBe(401);
      expect(await statusesOf(own.token)).toEqual([200, 200]);
    });

    it('except those of another user', async () => {
      const [own, foreign] = [await signIn(), await signIn()];
      const unknown = '0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a';
      for (const id of [foreign.session_id, unknown, 'x', '%00']) {
        const { status, body } = await api.client.as(own.token).delete(`/v1/sessions/${id}`);
        expect([status, body.code]).toEqual([404, 'not_found']);
      }
      expect(await statusesOf(foreign.token)).toEqual([200, 200]);
    });

    it('all but the current one, or all', async () => {
      const [first, second] = await signInTwice();
      const remove = (query = '') => api.client.as(second.token).delete(`/v1/sessions${query}`);
      expect((await remove('?include=others')).status).toBe(400);
      expect((await remove()).status).toBe(204);
      expect([await statusesOf(first.token), await statusesOf(second.token)]).toEqual([
        [401, 401],
        [200, 200],
      ]);
      expect((await remove('?include=current')).status).toBe(204);
      expect(await statusesOf(second.token)).toEqual([401, 401]);
    });

    it('without a write to tokens that expired long ago', async () => {
      const [old, owner] = await signInTwice();
      await api.database.query(
        `insert into tokens (hash, user_id, scope, session_id, expires_at)
         select sha256((n || $2)::bytea), $1, 'authentication', $2::uuid, now() - interval '2 minutes'
           from generate_series(1, 1000) as n`,
        [old.user.id, old.session_id],
      );
      const writers = () =>
        api.database.query(
          `select distinct xmin::text from tokens where session_id = $1 and expires_at < now() - interval '1 minute'`,
          [old.session_id],
        );
      const before = await writers();
      const { status } = await api.client.as(owner.token).delete(`/v1/sessions/${old.session_id}`);
      expect(status).toBe(204);
      expect(await statusesOf(old.token)).toEqual([401, 401]);
      expect(await writers()).toEqual(before);
    });

    it('although they are refreshed at the same time', async () => {
      for (let round = 0; round < 10; round += 1) {
        const { token, refresh_token } = await signIn();
        const racing = times(8, (i) => refresh(refresh_token, servers()[i % 2]));
        await replica.client.as(token).delete('/v1/session');
        const answers = await Promise.all(racing);
        for (const { status, body } of answers) {
          expect([200, 401]).toContain(status);
          if (status === 200) expect(await statusesOf(body.token)).toEqual([401, 401]);
        }
      }
    });
  });

  describe('are refreshed', () => {
    it('with new tokens, while earlier bearer tokens stay valid', async () => {
      const session = await signIn();
      const { status, body } = await refresh(session.refresh_token, replica.client);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        session_id: session.session_id,
        token_type: 'Bearer',
        user: session.user,
      });
      expect(new Set([session.token, session.refresh_token, body.token, body.refresh_token]).size).toBe(4);
      for (const { token } of [session, body]) expect(await statusesOf(token)).toEqual([200, 200]);
      expect(await idsOf(body.token)).toEqual([session.session_id]);
    });

    it('in a row, each token once', async () => {
      let { refresh_token } = await signIn();
      const used = new Set<string>();
      for (let n = 0; n < 20; n += 1) {
        used.add(refresh_token);
        const { status, body } = await refresh(refresh_token, servers()[n % 2]);
        expect(status).toBe(200);
        refresh_token = body.refresh_token;
      }
      expect(used.size).toBe(20);
    });

    it('by 50 requests at once: one family, and 50 answers that work', async () => {
      const session = await signIn();
      const answers = await Promise.all(times(50, (i) => refresh(session.refresh_token, servers()[i % 2])));
      expect(answers.map(({ status }) => status)).toEqual(times(50, () => 200));
      for (const { body } of answers) {
        expect((await api.client.as(body.token).get('/protected')).status).toBe(200);
        const { status, body: again } = await refresh(body.refresh_token);
        expect(status).toBe(200);
        expect(await idsOf(again.token)).toEqual([session.session_id]);
      }
    });

    it('by two tabs in turn a hundred times', async () => {
      const { refresh_token } = await signIn();
      const tabs = [refresh_token, refresh_token];
      for (let n = 0; n < 100; n += 1) {
        const { status, body } = await refresh(tabs[n % 2] as string, servers()[n % 2]);
        expect(status).toBe(200);
        tabs[n % 2] = body.refresh_token;
      }
    });

    it('again with the same token when the answer was lost', async () => {
      const { refresh_token } = await signIn();
      const [lost, repeated] = [await refresh(refresh_token), await refresh(refresh_token)];
      expect(repeated.body.refresh_token).toBe(lost.body.refresh_token);
      expect((await refresh(repeated.body.refresh_token)).status).toBe(200);
    });

    it('not with a token used longer ago than the window: it ends the session', async () => {
      const session = await signIn();
      const { body: refreshed } = await refresh(session.refresh_token);
      await age(29);
      expect((await refresh(session.refresh_token)).status).toBe(200);
      // The second use has not extended the window.
      await age(1);
      const { status, body, headers } = await refresh(session.refresh_token);
      expect([status, body.code]).toEqual([401, 'invalid_token']);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="latchkey", error="invalid_token"');
      for (const { token } of [session, refreshed]) expect(await statusesOf(token)).toEqual([401, 401]);
      expect((await refresh(refreshed.refresh_token)).status).toBe(401);
      const [row] = await api.database.query('select end_reason from sessions where id = $1', [
        session.session_id,
      ]);
      expect(row).toEqual({ end_reason: 'refresh_token_reused' });
      expect((await api.client.get('/metrics')).body).toMatch(/^latchkey_refresh_token_reuses_total 1$/m);
    });

    it('not beyond SESSION_MAX_AGE, and not after REFRESH_TTL', async () => {
      const session = await signIn();
      const set = (change: string) =>
        api.database.query(`update sessions set ${change} where id = $1`, [session.session_id]);
      await set(`created_at = now() - interval '89 days'`);
      const { body } = await refresh(session.refresh_token);
      for (const [end, days] of [
        [body.refresh_expires_at, 1],
        [body.expires_at, 1],
      ]) {
        expect((Date.parse(end) - Date.now()) / DAY).toBeCloseTo(days, 2);
      }
      await set(`created_at = now() - interval '90 days'`);
      expect((await refresh(body.refresh_token)).status).toBe(401);
      const idle = await signIn();
      await api.database.query('update sessions set expires_at = now() where id = $1', [idle.session_id]);
      expect((await refresh(idle.refresh_token)).status).toBe(401);
    });

    it('by no other secret', async () => {
      const { token } = await signIn();
      for (const secret of [token, UNKNOWN, 'x', 'a'.repeat(64), `'; drop table sessions; --`]) {
        const { status, body } = await refresh(secret);
        expect([status, body.code]).toEqual([401, 'invalid_token']);
      }
      expect((await api.client.post('/v1/session/refresh', {})).status).toBe(400);
    });

    it('also with an expired bearer token in the request', async () => {
      const { refresh_token } = await signIn();
      expect((await refresh(refresh_token, api.client.as(UNKNOWN))).status).toBe(200);
    });

    it('sixty times a minute', async () => {
      const session = await signIn();
      let { refresh_token } = session;
      const statuses: number[] = [];
      for (let n = 0; n < 62; n += 1) {
        const { status, body, headers } = await refresh(refresh_token);
        statuses.push(status);
        if (status === 200) refresh_token = body.refresh_token;
        else expect([body.limit, headers.get('retry-after')]).toEqual(['refreshes_per_session', '60']);
      }
      expect(statuses.indexOf(429)).toBe(60);
      // The token that was refused is as good as before.
      expect(await statusesOf(session.token)).toEqual([200, 200]);
      await age(61);
      expect((await refresh(refresh_token)).status).toBe(200);
    });

    it('by forty repeats at a time, without a deadlock', async () => {
      const { refresh_token } = await signIn();
      await refresh(refresh_token);
      const answers: Answer[] = [];
      for (let round = 0; round < 5; round += 1)
        answers.push(...(await Promise.all(times(40, (i) => refresh(refresh_token, servers()[i % 2])))));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    });

    it('without an end, with a bounded number of tokens', async () => {
      const session = await signIn();
      const [newest, ...others] = (await Promise.all(times(40, () => refresh(session.refresh_token)))).map(
        ({ body }) => body,
      );
      await api.database.query(
        `insert into tokens (hash, user_id, scope, session_id, expires_at, created_at)
         select sha256(n::text::bytea), $1, 'authentication', $2, now() + interval '1 day', now() - interval '1 day'
           from generate_series(1, 200) as n`,
        [session.user.id, session.session_id],
      );
      const { body } = await refresh(newest.refresh_token);
      const [{ count }] = (await api.database.query<{ count: string }>(
        'select count(*) from tokens where session_id = $1 and expires_at > now()',
        [session.session_id],
      )) as [{ count: string }];
      expect(Number(count)).toBe(100);
      for (const { token } of [body, newest, ...others]) expect(await statusesOf(token)).toEqual([200, 200]);
    });
  });

  it('take a change of a user with very many tokens', async () => {
    const { user, token } = await signIn();
    await api.database.query(
      `insert into tokens (hash, user_id, scope, expires_at)
       select sha256((n || 'many')::bytea), $1, 'authentication', now() + interval '1 day'
         from generate_series(1, 130000) as n`,
      [user.id],
    );
    const change = await api.client
      .as(token)
      .send('PATCH', '/v1/me', '{"name":"Ann"}', { 'content-type': 'application/json' });
    await api.database.query('delete from tokens where user_id = $1', [user.id]);
    expect([change.status, change.body.name]).toEqual([200, 'Ann']);
  });

  it('show when they were last used, by the minute', async () => {
    const { token, session_id } = await signIn();
    const lastUse = async () => {
      const [row] = await api.database.query<{ last_used_at: Date }>(
        'select last_used_at from sessions where id = $1',
        [session_id],
      );
      return row?.last_used_at.getTime() as number;
    };
    await api.database.query(`update sessions set last_used_at = now() - interval '1 hour'`);
    const before = await lastUse();
    await api.client.as(token).get('/protected');
    await waitFor('the use', async () => (await lastUse()) > before, 15_000);
    expect(Date.now() - (await lastUse())).toBeLessThan(30_000);
    // This server has recorded the session within the minute.
    await api.database.query(`update sessions set last_used_at = now() - interval '30 seconds'`);
    const recent = await lastUse();
    await replica.client.as(token).get('/protected');
    await replica.stop();
    expect(await lastUse()).toBe(recent);
    replica = await startReplica(api);
  });
});
