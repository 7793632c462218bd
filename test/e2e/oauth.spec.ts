import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as openid from 'openid-client';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import { openVerification } from '../support/verifications.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
/** Base64 has characters that OAuth encodes (RFC 6749, section 2.3.1). */
const CLIENT_SECRET = `${randomBytes(31).toString('base64')}+/`;
const UNKNOWN = 'A'.repeat(26);

const basic = (id: string, secret: string) => ({
  ...FORM,
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});
const SHOP = basic('shop', CLIENT_SECRET);

const entry = (id: string, limits = {}) => ({
  ...{ id, name: id, purposes: ['introspect'], limits },
  secret_sha256: createHash('sha256').update(CLIENT_SECRET).digest('hex'),
});

describe.each(modes)('Another service on $name, with two servers', (mode) => {
  let folder: string;
  let api: RunningApi;
  let replica: RunningApi;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-clients-'));
    const file = join(folder, 'clients.json');
    const clients = [entry('shop'), entry('limited', { introspect: '2/1h' })];
    writeFileSync(file, JSON.stringify({ clients }));
    api = await startApi(mode, { CLIENTS_FILE: file });
    replica = await startReplica(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  async function signIn(): Promise<Answer['body']> {
    const { path, code } = await openVerification(api, { phone_number: someNumber() });
    return (await api.client.post(`${path}/check`, { code })).body;
  }

  /** A client that knows nothing of Latchkey. */
  function foreignClient(): openid.Configuration {
    const { url } = replica.client;
    const server = {
      issuer: url,
      introspection_endpoint: `${url}/oauth/introspect`,
      revocation_endpoint: `${url}/oauth/revoke`,
    };
    const authentication = openid.ClientSecretBasic(CLIENT_SECRET);
    const configuration = new openid.Configuration(server, 'shop', undefined, authentication);
    openid.allowInsecureRequests(configuration);
    return configuration;
  }

  const send = (route: string, form: string, headers: Record<string, string> = SHOP) =>
    api.client.send('POST', `/oauth/${route}`, form, headers);
  const isActive = async (token: string) => (await send('introspect', `token=${token}`)).body.active;
  const statusOf = async (token: string) => (await api.client.as(token).get('/protected')).status;

  it('learns the user, the session and the end of a token', async () => {
    const session = await signIn();
    const answer = await openid.tokenIntrospection(foreignClient(), session.token);
    expect(answer).toEqual({
      ...{ active: true, token_type: 'Bearer', scope: 'authentication' },
      ...{ sub: session.user.id, sid: session.session_id },
      ...{ iat: expect.any(Number), exp: Math.floor(Date.parse(session.expires_at) / 1_000) },
    });
    expect(Number(answer.exp) - Number(answer.iat)).toBeCloseTo(48 * 3_600, -1);
  });

  it('learns at once that a session has ended', async () => {
    const { token } = await signIn();
    expect(await isActive(token)).toBe(true);
    await replica.client.as(token).delete('/v1/session');
    expect(await isActive(token)).toBe(false);
  });

  it('learns nothing else about a token that is not valid', async () => {
    const { refresh_token, token } = await signIn();
    await api.database.query(`update tokens set expires_at = now()`);
    for (const each of [token, refresh_token, UNKNOWN, 'x', '%00', 'a'.repeat(5_000)]) {
      const { status, body } = await send('introspect', `token=${each}`);
      expect([each, status, body]).toEqual([each, 200, { active: false }]);
    }
  });

  it('accepts a token without a session, as the Go server stored it', async () => {
    const { user } = await signIn();
    const token = 'B'.repeat(26);
    await api.database.query(
      `insert into tokens (hash, user_id, scope, expires_at) values (sha256($1), $2, 'authentication', now() + '1 day')`,
      [token, user.id],
    );
    const { body } = await send('introspect', `token=${token}`);
    expect(body).toMatchObject({ active: true, sub: user.id });
    expect(body).not.toHaveProperty('sid');
    expect((await send('revoke', `token=${token}`)).status).toBe(200);
    expect(await isActive(token)).toBe(false);
  });

  it.each(['token', 'refresh_token'])('ends a session by its %s', async (name) => {
    const session = await signIn();
    expect(await statusOf(session.token)).toBe(200);
    await openid.tokenRevocation(foreignClient(), session[name]);
    expect(await statusOf(session.token)).toBe(401);
    const { refresh_token } = session;
    expect((await api.client.post('/v1/session/refresh', { refresh_token })).status).toBe(401);
    const [row] = await api.database.query('select end_reason from sessions where id = $1', [
      session.session_id,
    ]);
    expect(row).toEqual({ end_reason: 'revoked' });
  });

  it.each([UNKNOWN, 'x', '%00'])('gets the same answer when it revokes %s', async (token) => {
    const { token: known } = await signIn();
    const [revoked, unknown] = [
      await send('revoke', `token=${known}`),
      await send('revoke', `token=${token}`),
    ];
    expect([unknown.status, unknown.body]).toEqual([revoked.status, revoked.body]);
    expect(revoked.status).toBe(200);
  });

  it.each([
    ['no credentials', FORM],
    ['a wrong secret', basic('shop', 'wrong')],
    ['an empty secret', basic('shop', '')],
    ['an unknown id', basic('unknown', CLIENT_SECRET)],
    ['a bearer token', { ...FORM, authorization: `Bearer ${UNKNOWN}` }],
    ['malformed credentials', { ...FORM, authorization: 'Basic ?' }],
    ['credentials without a colon', { ...FORM, authorization: 'Basic c2hvcA==' }],
  ])('is refused with %s', async (_, headers) => {
    const { token } = await signIn();
    for (const route of ['introspect', 'revoke']) {
      const { status, body, headers: answered } = await send(route, `token=${token}`, headers);
      expect([status, body.error]).toEqual([401, 'invalid_client']);
      expect(answered.get('www-authenticate')).toBe('Basic realm="latchkey", charset="UTF-8"');
    }
    expect(await statusOf(token)).toBe(200);
  });

  it('is reported when its secret is wrong', async () => {
    const failures = async () =>
      Number(
        /^latchkey_client_secret_failures_total (\d+)$/m.exec((await api.client.get('/metrics')).body)?.[1],
      );
    const before = await failures();
    await send('introspect', 'token=x', basic('shop', 'wrong'));
    expect(await failures()).toBe(before + 1);
  });

  it('may send its credentials with and without the encoding of OAuth', async () => {
    const encoded = encodeURIComponent(CLIENT_SECRET);
    expect(encoded).not.toBe(CLIENT_SECRET);
    for (const secret of [CLIENT_SECRET, encoded])
      expect((await send('introspect', 'token=x', basic('shop', secret))).status).toBe(200);
  });

  it.each([
    ['without a token', '', SHOP, 400],
    ['with an empty token', 'token=', SHOP, 400],
    ['with two tokens', 'token=a&token=b', SHOP, 400],
    ['with another content type', 'token=a', { ...SHOP, 'content-type': 'text/plain' }, 415],
    ['that is too large', `token=${'a'.repeat(17_000)}`, SHOP, 413],
  ])('gets an error of OAuth for a request %s', async (_, form, headers, expected) => {
    for (const route of ['introspect', 'revoke']) {
      const { status, body, headers: answered } = await send(route, form, headers);
      expect([status, body]).toEqual([
        expected,
        {
          error: 'invalid_request',
          error_description: expect.stringMatching(/^[ !#-[\]-~]+$/),
          error_uri: expect.stringMatching(/^http:\/\/localhost:\d+\/problems\/\w+$/),
        },
      ]);
      expect(answered.get('content-type')).toMatch(/^application\/json/);
      expect(answered.get('cache-control')).toBe('no-store');
    }
  });

  it('may send parameters that are not known', async () => {
    const { token } = await signIn();
    const form = `token=${token}&token_type_hint=refresh_token&other=1`;
    expect((await send('introspect', form)).body.active).toBe(true);
  });

  it('has a rate limit of its own', async () => {
    const limited = basic('limited', CLIENT_SECRET);
    const answers = [];
    for (const _ of times(3, () => null)) answers.push(await send('introspect', 'token=x', limited));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[2]?.body.error).toBe('temporarily_unavailable');
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(3_000);
    expect((await send('introspect', 'token=x')).status).toBe(200);
  });
});

describe('A server without clients', () => {
  it('has no routes for them', async () => {
    const api = await startApi(modes[0] as (typeof modes)[number]);
    const { status } = await api.client.get('/oauth/introspect');
    await api.stop();
    expect(status).toBe(404);
  });
});
