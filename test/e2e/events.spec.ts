import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import { OPERATOR_TOKEN } from '../support/settings.js';
import { openAnother, openVerification } from '../support/verifications.js';

describe.each(modes)('Security events on $name', (mode) => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode, { OPERATOR_TOKEN, REFRESH_REUSE_WINDOW: '0s' });
  });
  beforeEach(() => api.database.query('delete from events'));
  afterAll(() => api.stop());

  async function signIn(): Promise<Answer['body'] & { phone_number: string }> {
    const { path, code, phone_number } = await openVerification(api);
    const { body } = await api.client.post(`${path}/check`, { code }, { 'x-request-id': 'sign-in' });
    return { ...body, phone_number };
  }
  const refresh = (refresh_token: string) =>
    api.client.post('/v1/session/refresh', { refresh_token }, { 'x-request-id': 'refresh' });
  const recorded = () =>
    api.database.query<Record<string, unknown>>(
      'select kind, user_id, session_id, phone_masked, address, request_id, details from events order by at',
    );

  it('are recorded for a sign-in, a refresh, a reuse and the end of a session', async () => {
    const { user, session_id, refresh_token } = await signIn();
    await refresh(refresh_token);
    expect((await refresh(refresh_token)).status).toBe(401);
    const other = await signIn();
    await api.client.as(other.token).delete('/v1/session');
    const of = (id: string, session: string) => ({ user_id: id, session_id: session });
    const events = await recorded();
    expect(events.map(({ kind }) => kind)).toEqual([
      ...['signed_in', 'refreshed', 'refresh_token_reused'],
      ...['signed_in', 'session_ended'],
    ]);
    expect(events.map(({ address }) => address)).toEqual(times(5, () => '127.0.0.1'));
    expect(events[0]).toMatchObject({
      ...of(user.id, session_id),
      phone_masked: `+14*******${user.phone_number.slice(-2)}`,
      request_id: 'sign-in',
    });
    expect(events[1]).toMatchObject({ ...of(user.id, session_id), request_id: 'refresh' });
    expect(events[2]).toMatchObject({ ...of(user.id, session_id), request_id: 'refresh' });
    expect(events[4]).toMatchObject({
      ...of(other.user.id, other.session_id),
      details: { reason: 'signed_out' },
    });
  });

  it('are recorded once an hour for the refreshes of a session', async () => {
    let { refresh_token } = await signIn();
    const refreshAgain = async () => {
      const { status, body } = await refresh(refresh_token);
      expect(status).toBe(200);
      refresh_token = body.refresh_token;
    };
    for (let n = 0; n < 5; n += 1) await refreshAgain();
    const refreshes = async () => (await recorded()).filter(({ kind }) => kind === 'refreshed').length;
    expect(await refreshes()).toBe(1);
    await api.database.query(`update events set at = at - interval '61 minutes'`);
    await refreshAgain();
    expect(await refreshes()).toBe(2);
  });

  it('are recorded once for a sign-in that several requests race for', async () => {
    const { path, code } = await openVerification(api);
    await Promise.all([1, 2, 3, 4, 5].map(() => api.client.post(`${path}/check`, { code })));
    expect((await recorded()).map(({ kind }) => kind)).toEqual(['signed_in']);
  });

  it('say no longer whom they are about when the account is deleted', async () => {
    const { user, token } = await signIn();
    expect((await api.client.as(token).delete('/v1/me')).status).toBe(204);
    const events = await recorded();
    expect(
      events.map(({ kind, user_id, ...about }) => [
        kind,
        user_id,
        about.session_id,
        about.phone_masked,
        about.address,
      ]),
    ).toEqual([
      ['signed_in', null, null, null, null],
      ['session_ended', null, null, null, null],
      ['account_deleted', user.id, null, null, null],
    ]);
  });

  it('are recorded for a change of number, with both numbers masked until the account is deleted', async () => {
    const { user, session_id, token } = await signIn();
    const number = someNumber();
    const client = api.client.as(token);
    const { path, code } = await openAnother(api, number, () =>
      client.post('/v1/me/phone_number', { phone_number: number }),
    );
    await client.post(`${path}/check`, { code });
    const changed = async () => (await recorded()).find(({ kind }) => kind === 'number_changed');
    const masked = (text: string) => `+14*******${text.slice(-2)}`;
    expect(await changed()).toMatchObject({
      ...{ user_id: user.id, session_id, address: '127.0.0.1', phone_masked: masked(number) },
      details: { from: masked(user.phone_number) },
    });
    expect((await client.delete('/v1/me')).status).toBe(204);
    const { details, ...about } = (await changed()) ?? {};
    expect(about).toMatchObject({ user_id: null, address: null, phone_masked: null });
    expect(details).toEqual({});
  });

  it('belong to the transaction: what cannot be recorded does not happen', async () => {
    const { token, refresh_token, session_id } = await signIn();
    await whileMissing(api.database, 'events', async () => {
      expect((await refresh(refresh_token)).status).toBe(500);
      expect((await api.client.as(token).delete('/v1/session')).status).toBe(500);
    });
    const [session] = await api.database.query('select ended_at from sessions where id = $1', [session_id]);
    expect(session).toEqual({ ended_at: null });
    expect((await refresh(refresh_token)).status).toBe(200);
  });

  it('are recorded for the lookup of a number', async () => {
    const { phone_number } = await signIn();
    await api.client.as(OPERATOR_TOKEN).post('/v1/operations/numbers/lookup', { phone_number });
    expect((await recorded()).at(-1)).toMatchObject({ kind: 'number_looked_up', user_id: null });
  });
});
