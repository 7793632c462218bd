import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { dumpPostgres, dumpRedis } from '../support/dumps.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { openAnother, openSession, signIn } from '../support/verifications.js';

describe.each(modes)('GET and PATCH /v1/me on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;
  let token: string;

  beforeAll(async () => {
    api = await startApi(mode);
    replica = await startReplica(api);
  });
  beforeEach(async () => {
    token = await signIn(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const me = (server = api) => server.client.as(token).get('/v1/me');
  const change = (body: object, headers = {}, server = api): Promise<Answer> =>
    server.client.as(token).send('PATCH', '/v1/me', JSON.stringify(body), {
      'content-type': 'application/json',
      ...headers,
    });

  it('returns the user, with the version as entity tag', async () => {
    const { status, body, headers } = await me();
    expect([status, headers.get('etag')]).toEqual([200, '"1"']);
    expect(body).toEqual((await api.client.as(token).get('/protected')).body.user);
  });

  it('changes name and language in every process, and nothing else', async () => {
    const [{ body: before }] = [await me(), await me(replica)];
    const { status, body, headers } = await change({ name: 'Ada', locale: 'fr' });
    expect([status, headers.get('etag')]).toEqual([200, '"2"']);
    expect(body).toEqual({ ...before, name: 'Ada', locale: 'fr', version: 2 });
    expect([(await me()).body, (await me(replica)).body]).toEqual([body, body]);
    expect((await change({ locale: 'en' }, {}, replica)).body).toEqual({ ...body, locale: 'en', version: 3 });
    expect((await change({ name: null })).body).toMatchObject({ name: 'Ada', locale: 'en' });
  });

  it.each<[string, (version: number) => Promise<Answer>]>([
    ['version', (version) => change({ name: 'Ada', version })],
    ['If-Match', (version) => change({ name: 'Ada' }, { 'if-match': `"${version}"` })],
  ])('refuses a change that is based on another %s', async (_, changeFrom) => {
    expect((await changeFrom(1)).status).toBe(200);
    for (const version of [1, 3]) {
      const { status, body } = await changeFrom(version);
      expect([status, body.code]).toEqual([409, 'version_conflict']);
    }
    // It has this name already.
    expect((await changeFrom(2)).body.version).toBe(2);
    expect((await change({ name: 'Eve' }, { 'if-match': '*' })).body.version).toBe(3);
  });

  it('lets one of many concurrent changes of a version succeed', async () => {
    const answers = await mapInFlight(
      times(40, (i) => `Name ${i}`),
      (name, i) => change({ name, version: 1 }, {}, i % 2 ? api : replica),
      BURST,
    );
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([200, ...times(39, () => 409)]);
    const winner = answers.find(({ status }) => status === 200)?.body;
    expect([(await me()).body, (await me(replica)).body]).toEqual([winner, winner]);
  });

  it.each([
    { name: '' },
    { name: 'www.example.com' },
    { locale: 'x' },
    { version: '1' },
    { version: 0 },
    { phone_number: '+14155550100' },
  ])('rejects %j', async (body) => {
    expect((await change(body)).body.code).toBe('invalid_request');
    expect((await change({ name: 'Ada' }, { 'if-match': 'x' })).body.code).toBe('invalid_request');
    expect((await me()).body.version).toBe(1);
  });
});

describe.each(modes)('DELETE /v1/me and GET /v1/me/export on $name', (mode) => {
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

  const session = (members: Record<string, unknown> = {}): Promise<Answer['body']> =>
    openSession(api, members);
  const remove = (token: string) => api.client.as(token).delete('/v1/me');

  it('exports the user, the sessions, the verifications and the events, without secrets', async () => {
    const { token, refresh_token, session_id, user } = await session({ name: 'Ada' });
    const { status, body } = await replica.client.as(token).get('/v1/me/export');
    expect(status).toBe(200);
    expect(body).toEqual({
      user,
      sessions: [expect.objectContaining({ id: session_id, ended_at: null, method: 'sms' })],
      verifications: [expect.objectContaining({ status: 'approved', name: 'Ada', channel: 'sms' })],
      last_used_at: expect.any(String),
      events: [
        {
          ...{ at: expect.any(String), kind: 'signed_in', session_id, address: '127.0.0.1' },
          number: `+14*******${user.phone_number.slice(-2)}`,
        },
      ],
    });
    for (const secret of [token, refresh_token]) expect(JSON.stringify(body)).not.toContain(secret);
  });

  it('deletes everything of the user, and nothing of others', async () => {
    const [gone, other] = [await session({ name: 'Adalbert' }), await session()];
    const { body: refreshed } = await replica.client.post('/v1/session/refresh', {
      refresh_token: gone.refresh_token,
    });
    for (const { token } of [gone, refreshed, other])
      expect((await replica.client.as(token).get('/protected')).status).toBe(200);
    expect((await remove(gone.token)).status).toBe(204);
    for (const server of [api, replica])
      for (const { token } of [gone, refreshed])
        expect((await server.client.as(token).get('/protected')).status).toBe(401);
    const dump =
      (await dumpPostgres(api.database)) + (mode.redis ? await dumpRedis(api.config.redisUrl as string) : '');
    expect(dump).not.toContain('Adalbert');
    // The record keeps that the account was deleted.
    expect(dump.replaceAll(`account_deleted,${gone.user.id}`, '')).not.toContain(gone.user.id);
    expect(dump).not.toContain(gone.user.phone_number.slice(2));
    expect((await remove(gone.token)).status).toBe(401);
    expect((await replica.client.as(other.token).get('/protected')).status).toBe(200);
  });

  it('needs a sign-in within ten minutes: a refresh is none', async () => {
    const { session_id, refresh_token } = await session();
    await api.database.query(`update sessions set created_at = now() - interval '10 minutes' where id = $1`, [
      session_id,
    ]);
    const { body: refreshed } = await api.client.post('/v1/session/refresh', { refresh_token });
    const { status, body } = await remove(refreshed.token);
    expect([status, body.code]).toEqual([403, 'recent_sign_in_required']);
    expect((await api.client.as(refreshed.token).get('/protected')).status).toBe(200);
  });

  it('lets the number sign up again, as a new user', async () => {
    const first = await session({ name: 'Ada' });
    const { phone_number } = first.user;
    await remove(first.token);
    const { path, code } = await openAnother(api, phone_number);
    const { body } = await api.client.post(`${path}/check`, { code });
    expect(body).toMatchObject({ is_new_user: true, user: { name: null, phone_number } });
    expect(body.user.id).not.toBe(first.user.id);
  });

  it('leaves no session of a sign-in that races with it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const first = await session();
      const { phone_number } = first.user;
      const { path, code } = await openAnother(api, phone_number, () =>
        replica.client.post('/v1/verifications', { phone_number }),
      );
      const [removed, signedIn] = await Promise.all([
        remove(first.token),
        replica.client.post(`${path}/check`, { code }),
      ]);
      expect(removed.status).toBe(204);
      expect([200, 404, 410]).toContain(signedIn.status);
      if (signedIn.status !== 200) continue;
      // Either it came first and is gone, or it made a new user.
      const { status } = await api.client.as(signedIn.body.token).get('/protected');
      expect(status).toBe(signedIn.body.is_new_user ? 200 : 401);
    }
  });
});
