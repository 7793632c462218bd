import { AccountService, SessionService } from '#auth';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { inboxMessages, openAnother, openSession, untilCooledDown } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const LIMITS = { LIMIT_COOL_DOWN: '1s' };

/** A sign-in by a device of its own. */
const session = (server: RunningApi) => openSession(server);

/** Requests another code for a number, and returns the path of its check with the code. */
async function again(server: RunningApi, phone_number: string, members: object = {}) {
  const request = () => server.client.post('/v1/verifications', { phone_number, ...members });
  const { path, code } = await openAnother(server, phone_number, request);
  return { path: `${path}/check`, code };
}

const unusedFor = ({ database }: RunningApi, days: number, { user }: Answer['body']) =>
  database.query(`update users set last_used_at = now() - $1 * interval '1 day' where id = $2`, [
    days,
    user.id,
  ]);

describe.each(modes)('a sign-in with a recycled number on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode, LIMITS);
    replica = await startReplica(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const waitUntilUsed = ({ user }: Answer['body']) =>
    waitFor('the record of the use', async () => {
      const [used] = await api.database.query<{ recent: boolean }>(
        `select last_used_at > now() - interval '1 day' as recent from users where id = $1`,
        [user.id],
      );
      return used?.recent;
    });

  it('creates another account, and ends the sessions of the one from before', async () => {
    const before = await session(api);
    const { phone_number } = before.user;
    for (const server of [api, replica])
      expect((await server.client.as(before.token).get('/v1/me')).status).toBe(200);
    await unusedFor(api, 181, before);
    const { path, code } = await again(api, phone_number);
    const { status, body } = await replica.client.post(path, { code });
    expect([status, body.is_new_user, body.user.phone_number]).toEqual([200, true, phone_number]);
    expect(body.user.id).not.toBe(before.user.id);
    for (const server of [api, replica])
      expect((await server.client.as(before.token).get('/v1/me')).status).toBe(401);
    const { path: third, code: thirdCode } = await again(api, phone_number);
    expect((await api.client.post(third, { code: thirdCode })).body.user.id).toBe(body.user.id);
    const [old] = await api.database.query<{ phone_index: string | null }>(
      'select phone_index from users where id = $1',
      [before.user.id],
    );
    expect(old).toEqual({ phone_index: null });
    const events = await api.database.query<{ kind: string }>(
      'select kind from events where user_id = $1 order by at',
      [before.user.id],
    );
    expect(events.map(({ kind }) => kind)).toEqual(['signed_in', 'number_recycled', 'session_ended']);
  });

  it('forgets the devices of the former holder', async () => {
    const before = await session(api);
    const { device_token, user } = before;
    await unusedFor(api, 181, before);
    const { path, code } = await again(api, user.phone_number);
    const { body } = await api.client.post(path, { code });
    await unusedFor(api, 181, body);
    // The device of the new account is known, the other one is not.
    const old = await again(api, user.phone_number, { device_token });
    expect((await api.client.post(old.path, { code: old.code })).body.is_new_user).toBe(true);
  });

  it('keeps the account for a device that has signed in before', async () => {
    const before = await session(api);
    const { device_token, user } = before;
    await unusedFor(api, 181, before);
    const { path, code } = await again(api, user.phone_number, { device_token });
    const { body } = await api.client.post(path, { code });
    expect([body.is_new_user, body.user.id]).toEqual([false, user.id]);
    // The sign-in counts as a use.
    const next = await again(api, user.phone_number);
    expect((await api.client.post(next.path, { code: next.code })).body.user.id).toBe(user.id);
  });

  it('keeps the account that was used within the time', async () => {
    const before = await session(api);
    await unusedFor(api, 179, before);
    const { path, code } = await again(api, before.user.phone_number);
    expect((await api.client.post(path, { code })).body.user.id).toBe(before.user.id);
  });

  it('counts a request with a token as a use', async () => {
    const before = await session(api);
    await unusedFor(api, 181, before);
    await api.database.query(`update sessions set last_used_at = now() - interval '2 minutes'`);
    await api.client.as(before.token).get('/v1/me');
    await waitUntilUsed(before);
  });

  it('creates one account for many right codes at once', async () => {
    const before = await session(api);
    await unusedFor(api, 181, before);
    const { path, code } = await again(api, before.user.phone_number);
    const answers = await mapInFlight(
      times(20, (i) => i),
      (i) => (i % 2 ? api : replica).client.post(path, { code }),
      BURST,
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...times(19, () => 410)]);
    const [{ count } = { count: 0 }] = await api.database.query<{ count: number }>(
      `select count(*)::int as count from events where kind = 'number_recycled' and user_id = $1`,
      [before.user.id],
    );
    expect(count).toBe(1);
  });

  it('lets another account move to the number, and takes it from the one from before', async () => {
    const [before, mover] = [await session(api), await session(api)];
    const { phone_number } = before.user;
    await unusedFor(api, 181, before);
    const { path, code } = await openAnother(api, phone_number, () =>
      api.client.as(mover.token).post('/v1/me/phone_number', { phone_number }),
    );
    const moved = await replica.client.as(mover.token).post(`${path}/check`, { code });
    expect([moved.status, moved.body.user.id, moved.body.user.phone_number]).toEqual([
      ...[200, mover.user.id, phone_number],
    ]);
    expect((await api.client.as(before.token).get('/v1/me')).status).toBe(401);
  });

  it('counts a refresh and an introspection as a use', async () => {
    const uses = [
      ({ refresh_token }: Answer['body']) => api.client.post('/v1/session/refresh', { refresh_token }),
      ({ token }: Answer['body']) => api.nest.get(SessionService, { strict: false }).introspect(token),
    ];
    for (const use of uses) {
      const before = await session(api);
      await unusedFor(api, 181, before);
      await use(before);
      const { path, code } = await waitUntilUsed(before).then(() => again(api, before.user.phone_number));
      expect((await api.client.post(path, { code })).body.user.id).toBe(before.user.id);
    }
  });

  it('leaves what is stored about the number to the new account', async () => {
    const before = await session(api);
    await unusedFor(api, 181, before);
    const { path, code } = await again(api, before.user.phone_number);
    const { body } = await api.client.post(path, { code });
    const open = await again(api, before.user.phone_number);
    const accounts = api.nest.get(AccountService);
    const old = await accounts.findById(before.user.id);
    expect((await accounts.export(old)).verifications).toEqual([]);
    await accounts.deleteByOperator(old);
    expect((await api.client.post(open.path, { code: open.code })).body.user.id).toBe(body.user.id);
  });
});

describe.each(modes)('RECYCLED_NUMBERS=refuse on $name', (mode) => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode, { ...LIMITS, RECYCLED_NUMBERS: 'refuse', RECYCLED_AFTER: '30d' });
  });
  afterAll(() => api.stop());

  it('rejects the move of another account to the number as it rejects a wrong code', async () => {
    const [before, mover] = [await session(api), await session(api)];
    const { phone_number } = before.user;
    await unusedFor(api, 31, before);
    const { path, code } = await openAnother(api, phone_number, () =>
      api.client.as(mover.token).post('/v1/me/phone_number', { phone_number }),
    );
    expect((await api.client.as(mover.token).post(`${path}/check`, { code })).body.code).toBe(
      'code_rejected',
    );
    expect((await api.client.as(before.token).get('/v1/me')).body.phone_number).toBe(phone_number);
  });

  it.each(['/v1/verifications', '/signup'])(
    'refuses the right code at %s, and changes nothing',
    async (route) => {
      const before = await session(api);
      const { phone_number, id } = before.user;
      await unusedFor(api, 31, before);
      const { path, code } = await again(api, phone_number);
      const attempt = async () => {
        if (route !== '/signup') return api.client.post(path, { code });
        await untilCooledDown(() => api.client.post('/signup', { phone_number }));
        const otp = await waitFor('the code', async () => {
          const [newest] = await inboxMessages(api.client, phone_number);
          return newest.code !== code && newest.code;
        });
        return api.client.post('/signup', { phone_number, otp });
      };
      const { status, body } = await attempt();
      expect([status, body.code]).toEqual([403, 'number_recycled']);
      expect((await api.client.as(before.token).get('/v1/me')).body.id).toBe(id);
      // The code is not used up: it works once the account was used again.
      await unusedFor(api, 1, before);
      if (route !== '/signup') expect((await api.client.post(path, { code })).body.user.id).toBe(id);
    },
  );
});
