import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { openVerification } from '../support/verifications.js';

const EXPIRED = `latchkey_session=${'A'.repeat(26)}`;

/** Returns the session cookie of an answer with its attributes. */
const cookieOf = ({ headers }: Answer) =>
  headers.getSetCookie().find((cookie) => /^(__Host-)?latchkey_session=/.test(cookie)) ?? null;

async function signIn({ client, codeFor }: RunningApi): Promise<Answer> {
  const { path, code } = await openVerification({ client, codeFor });
  return client.post(`${path}/check`, { code });
}

describe('The session cookie', () => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE, { SESSION_COOKIE: 'on' });
  });
  afterAll(() => api.stop());

  const own = () => ({ origin: api.client.url });
  /** Signs in and returns the cookie to send. */
  const signedIn = async () => (cookieOf(await signIn(api)) as string).split(';')[0] as string;

  it('holds the token, cannot be read by scripts, and lives as long as the token', async () => {
    const answer = await signIn(api);
    const cookie = cookieOf(answer) as string;
    expect(cookie).toContain(`latchkey_session=${answer.body.token}; Path=/;`);
    for (const attribute of ['HttpOnly', 'SameSite=Lax']) expect(cookie).toContain(attribute);
    expect(cookie).not.toMatch(/Secure|Domain/);
    const ends = Date.parse(/Expires=([^;]+)/.exec(cookie)?.[1] as string);
    expect(Math.abs(ends - Date.parse(answer.body.expires_at))).toBeLessThan(1_000);
  });

  it('is set by a sign-up and replaced by a refresh', async () => {
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const signedUp = await api.client.post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
    expect(cookieOf(signedUp)).toContain(signedUp.body.token);
    const { refresh_token } = signedUp.body;
    const refreshed = await api.client.post('/v1/session/refresh', { refresh_token });
    expect(cookieOf(refreshed)).toContain(refreshed.body.token);
  });

  it('authenticates requests that change nothing from anywhere', async () => {
    const cookie = await signedIn();
    const answers = [
      await api.client.get('/protected', { cookie }),
      await api.client.get('/v1/sessions', { cookie, 'sec-fetch-site': 'cross-site' }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing that says where it comes from', {}],
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['the Origin of another site', { origin: 'https://evil.example' }],
    ['an opaque Origin', { origin: 'null' }],
  ])('does not authenticate a change with %s', async (_, headers) => {
    const cookie = await signedIn();
    const { status, body } = await api.client.send('DELETE', '/v1/session', undefined, {
      cookie,
      ...headers,
    });
    expect([status, body.code]).toEqual([403, 'cross_site_request']);
    expect((await api.client.get('/protected', { cookie })).status).toBe(200);
  });

  it('authenticates a change by a page of this site, and is deleted by signing out', async () => {
    for (const headers of [own(), { 'sec-fetch-site': 'same-origin' }]) {
      const cookie = await signedIn();
      const signedOut = await api.client.send('DELETE', '/v1/session', undefined, { cookie, ...headers });
      expect(signedOut.status).toBe(204);
      expect(cookieOf(signedOut)).toMatch(/^latchkey_session=; .*Expires=Thu, 01 Jan 1970/);
      expect((await api.client.get('/protected', { cookie })).body.code).toBe('invalid_token');
    }
  });

  it('is deleted by ending all sessions, and kept by ending the others', async () => {
    const cookie = await signedIn();
    const remove = (query: string) =>
      api.client.send('DELETE', `/v1/sessions${query}`, undefined, {
        cookie,
        'sec-fetch-site': 'same-origin',
      });
    expect(cookieOf(await remove(''))).toBeNull();
    expect(cookieOf(await remove('?include=current'))).toMatch(/^latchkey_session=; /);
  });

  it('is deleted by a sign-out that passes a proxy with credentials of its own', async () => {
    const cookie = await signedIn();
    const headers = { cookie, authorization: 'Basic cHJveHk6cHJveHk=', 'sec-fetch-site': 'same-origin' };
    const { status } = await api.client.get('/protected', headers);
    expect(status).toBe(200);
    const signedOut = await api.client.send('DELETE', '/v1/session', undefined, headers);
    expect(cookieOf(signedOut)).toMatch(/^latchkey_session=; /);
  });

  it('is kept when another session signs out by its token', async () => {
    const cookie = await signedIn();
    const { token } = (await signIn(api)).body;
    const headers = { cookie, authorization: `Bearer ${token}` };
    expect(cookieOf(await api.client.send('DELETE', '/v1/session', undefined, headers))).toBeNull();
    expect((await api.client.get('/protected', { cookie })).status).toBe(200);
  });

  it('gives way to a token in the header', async () => {
    const [cookie, { body }] = [await signedIn(), await signIn(api)];
    const { body: found } = await api.client.as(body.token).get('/protected', { cookie });
    expect(found.user).toEqual(body.user);
    expect((await api.client.as('A'.repeat(26)).get('/protected', { cookie })).status).toBe(401);
  });

  it('does not lock a client out when it has expired', async () => {
    const asked = await api.client.post('/signup', { phone_number: someNumber() }, { cookie: EXPIRED });
    expect(asked.status).toBe(200);
    const { status, body } = await api.client.get('/protected', { cookie: EXPIRED });
    expect([status, body.code]).toEqual([401, 'invalid_token']);
  });
});

it('With an https PUBLIC_URL the session cookie has the __Host- prefix, and no other name is accepted', async () => {
  const api = await startApi(POSTGRES_ALONE, {
    SESSION_COOKIE: 'on',
    PUBLIC_URL: 'https://login.example.com',
  });
  const answer = await signIn(api);
  expect(cookieOf(answer)).toMatch(
    /^__Host-latchkey_session=[A-Z2-7]{26}; Path=\/; .*HttpOnly; Secure; SameSite=Lax/,
  );
  const { token } = answer.body;
  const ask = (cookie: string, headers = {}) => api.client.get('/protected', { cookie, ...headers });
  expect((await ask(`__Host-latchkey_session=${token}`)).status).toBe(200);
  expect((await ask(`latchkey_session=${token}`)).status).toBe(401);
  const remove = (origin: string) =>
    api.client.send('DELETE', '/v1/session', undefined, {
      cookie: `__Host-latchkey_session=${token}`,
      origin,
    });
  expect((await remove(api.client.url)).status).toBe(403);
  expect((await remove('https://login.example.com')).status).toBe(204);
  await api.stop();
});

it('Without SESSION_COOKIE no session cookie is set or accepted', async () => {
  const api = await startApi(POSTGRES_ALONE);
  const answer = await signIn(api);
  const { token } = answer.body;
  const { status, body } = await api.client.get('/protected', { cookie: `latchkey_session=${token}` });
  await api.stop();
  expect(cookieOf(answer)).toBeNull();
  expect([status, body.code]).toEqual([401, 'unauthenticated']);
});
