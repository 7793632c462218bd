import { type RunningApi, startApi } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, sendRawOnce } from '../support/raw-http.js';
import { labelled } from '../support/titles.js';
import { signIn } from '../support/verifications.js';

const REALM = 'Bearer realm="latchkey"';
const INVALID_TOKEN = `${REALM}, error="invalid_token"`;

describe('Bearer authentication', () => {
  let api: RunningApi;
  let client: Client;
  let token: string;

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE);
    client = api.client;
    token = await signIn(api);
  });
  afterAll(() => api.stop());

  const routes: Record<string, (authorization: string) => Promise<Answer>> = {
    'GET /protected': (authorization) => client.get('/protected', { authorization }),
    'POST /signup': (authorization) =>
      client.post('/signup', { phone_number: someNumber() }, { authorization }),
  };

  /** Routes that need no session, and the status of a request without one. */
  const publicRoutes: [route: string, status: number, ask: (authorization: string) => Promise<Answer>][] = [
    [
      'POST /v1/verifications',
      202,
      (authorization) => client.post('/v1/verifications', { phone_number: someNumber() }, { authorization }),
    ],
    [
      'POST /v1/verifications/{id}/check',
      404,
      (authorization) =>
        client.post('/v1/verifications/unknown/check', { code: '000000' }, { authorization }),
    ],
    [
      'GET /v1/verifications/{id}',
      404,
      (authorization) => client.get('/v1/verifications/unknown', { authorization }),
    ],
    ['GET /health/live', 200, (authorization) => client.get('/health/live', { authorization })],
    ['GET /health/ready', 200, (authorization) => client.get('/health/ready', { authorization })],
    ['GET /metrics', 200, (authorization) => client.get('/metrics', { authorization })],
    ['GET /problems', 200, (authorization) => client.get('/problems', { authorization })],
    ['GET /dev/inbox/messages', 200, (authorization) => client.get('/dev/inbox/messages', { authorization })],
  ];

  it('is required by default, and the challenge names the realm', async () => {
    const { status, headers, body } = await client.get('/protected');
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe(REALM);
    expect(body.code).toBe('unauthenticated');
  });

  it.each(
    labelled(['Bearer', 'Bearer =', 'Bearer a b', `Bearer ${'A'.repeat(26)}`, `Bearer ${'A'.repeat(8_000)}`]),
  )('rejects the invalid header %s', async (_, authorization) => {
    for (const [route, ask] of Object.entries(routes)) {
      const { status, headers, body } = await ask(authorization);
      expect([route, status, body.code]).toEqual([route, 401, 'invalid_token']);
      expect(headers.get('www-authenticate')).toBe(INVALID_TOKEN);
    }
  });

  it.each(publicRoutes)('is not needed by %s, which ignores an invalid token', async (_, status, ask) => {
    for (const authorization of ['Bearer', `Bearer ${'A'.repeat(26)}`]) {
      const answer = await ask(authorization);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([status, null]);
    }
  });

  it.each(labelled(['', 'Basic bm9ib2R5OmhlcmU=', 'Token AAAAAAAAAAAAAAAAAAAAAAAAAA']))(
    'ignores the header %s of another scheme',
    async (_, authorization) => {
      expect((await client.get('/health/live', { authorization })).status).toBe(200);
      const { status, headers, body } = await client.get('/protected', { authorization });
      expect([status, body.code]).toEqual([401, 'unauthenticated']);
      expect(headers.get('www-authenticate')).toBe(REALM);
    },
  );

  it('rejects a token with one changed character', async () => {
    for (const mangled of [token.toLowerCase(), `${token}=`, token.slice(1), `${token}A`]) {
      expect((await client.as(mangled).get('/protected')).body.code).toBe('invalid_token');
    }
  });

  it('rejects a token from the moment it expires', async () => {
    const short = await signIn(api);
    const mine = 'created_at = (select max(created_at) from tokens)';
    expect((await client.as(short).get('/protected')).status).toBe(200);
    await api.database.query(`update tokens set expires_at = now() where ${mine}`);
    for (const ask of Object.values(routes)) {
      expect((await ask(`Bearer ${short}`)).body.code).toBe('invalid_token');
    }
  });

  it.each(['Bearer ', 'bearer ', 'BEARER   '])('accepts the scheme written as %j', async (scheme) => {
    for (const ask of Object.values(routes)) expect((await ask(scheme + token)).status).toBe(200);
  });

  it('accepts two Authorization headers only as one', async () => {
    const twice = [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`];
    expect([200, 401]).toContain((await sendRawOnce(client, rawGet('/protected', ...twice))).status);
  });
});
