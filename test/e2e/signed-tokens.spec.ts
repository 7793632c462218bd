import { createHmac, generateKeyPairSync } from 'node:crypto';
import * as jose from 'jose';
import * as openid from 'openid-client';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes, POSTGRES_ALONE } from '../support/databases.js';
import { CLIENTS_FILE } from '../support/settings.js';
import { openVerification } from '../support/verifications.js';

const AUDIENCES = ['https://api.example.com', 'billing'];
const [AUDIENCE, BILLING] = AUDIENCES as [string, string];
const TEN_MINUTES = 600;

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

describe.each(modes)('Signed tokens on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;
  let session: Answer['body'];

  beforeAll(async () => {
    api = await startApi(mode, { JWT_AUDIENCES: AUDIENCES.join(','), CLIENTS_FILE });
    replica = await startReplica(api);
    const { path, code } = await openVerification(api);
    session = (await api.client.post(`${path}/check`, { code })).body;
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const issuer = () => api.client.url.replace('127.0.0.1', 'localhost');
  const request = (body: object = {}) => api.client.as(session.token).post('/v1/session/jwt', body);
  const signed = async (body: object = {}): Promise<string> => (await request(body)).body.token;
  const publicKeys = async (server = replica): Promise<jose.JWK[]> =>
    (await server.client.get('/.well-known/jwks.json')).body.keys;

  /** The verifier of docs/integrate.md, with the keys of the other server. */
  function verify(token: string, audience = AUDIENCE) {
    const keys = jose.createRemoteJWKSet(new URL(`${replica.client.url}/.well-known/jwks.json`));
    return jose.jwtVerify(token, keys, {
      issuer: issuer(),
      audience,
      algorithms: ['ES256'],
      typ: 'at+jwt',
    });
  }

  it('name the user, the session and the audience, for ten minutes', async () => {
    const { status, body } = await request();
    expect([status, body]).toEqual([
      200,
      { token: expect.any(String), token_type: 'Bearer', expires_in: TEN_MINUTES, scope: 'authentication' },
    ]);
    const { payload, protectedHeader } = await verify(body.token);
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      ...{ iss: issuer(), aud: AUDIENCE, sub: session.user.id, sid: session.session_id },
      ...{ client_id: 'latchkey', scope: 'authentication', jti: expect.any(String) },
      ...{ iat: expect.any(Number), exp: (payload.iat as number) + TEN_MINUTES },
    });
    expect(Math.abs((payload.iat as number) - Date.now() / 1_000)).toBeLessThan(60);
  });

  it('are valid for one audience of JWT_AUDIENCES', async () => {
    const token = await signed({ audience: BILLING });
    expect((await verify(token, BILLING)).payload.aud).toBe(BILLING);
    await expect(verify(token, AUDIENCE)).rejects.toThrow('"aud"');
    const { status, body } = await request({ audience: 'https://evil.example' });
    expect([status, body.errors[0].pointer]).toEqual([400, '/audience']);
  });

  it('need a session', async () => {
    expect((await api.client.post('/v1/session/jwt')).status).toBe(401);
    expect((await api.client.as('A'.repeat(26)).post('/v1/session/jwt')).status).toBe(401);
  });

  it('do not authenticate here', async () => {
    const { status } = await api.client.as(await signed()).get('/protected');
    expect(status).toBe(401);
  });

  it('are verified by the keys of either server, of which no private half is published', async () => {
    const keys = await publicKeys(api);
    expect(await publicKeys(replica)).toEqual(keys);
    expect(keys).toEqual([
      {
        ...{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
        ...{ kid: expect.any(String), x: expect.any(String), y: expect.any(String) },
      },
    ]);
    const [row] = await api.database.query<{ text: string }>(
      'select signing_keys::text as text from signing_keys',
    );
    expect(row?.text).not.toContain('"d"');
  });

  it('are found by an OAuth library', async () => {
    const { client } = api;
    const discover: openid.DiscoveryRequestOptions = {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    };
    const server = await openid.discovery(new URL(issuer()), 'shop', 'secret', undefined, discover);
    expect(server.serverMetadata()).toMatchObject({
      issuer: issuer(),
      jwks_uri: `${issuer()}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer()}/oauth/introspect`,
      revocation_endpoint: `${issuer()}/oauth/revoke`,
    });
    const { headers } = await client.get('/.well-known/oauth-authorization-server');
    expect(headers.get('cache-control')).toBe('public, max-age=300');
  });

  describe('are refused by the documented verifier', () => {
    const genuine = async () => {
      const token = await signed();
      const [header, payload, signature] = token.split('.') as [string, string, string];
      return { token, header: jose.decodeProtectedHeader(token), payload, signature, headerText: header };
    };
    const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const attackerSigns = async (header: object) => {
      const { payload, header: original } = await genuine();
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
      return new jose.SignJWT(claims)
        .setProtectedHeader({ ...(original as jose.JWTHeaderParameters), ...header })
        .sign(attacker.privateKey);
    };

    it.each<[string, () => Promise<string>]>([
      [
        'without a signature (alg none)',
        async () => {
          const { header, payload } = await genuine();
          return `${encode({ ...header, alg: 'none' })}.${payload}.`;
        },
      ],
      [
        'with the public key as the secret of an HMAC',
        async () => {
          const { header, payload } = await genuine();
          const [jwk] = await publicKeys();
          const secret = await jose.exportSPKI(
            (await jose.importJWK(jwk as jose.JWK, 'ES256')) as jose.CryptoKey,
          );
          const input = `${encode({ ...header, alg: 'HS256' })}.${payload}`;
          return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
        },
      ],
      ['with the key of an attacker', () => attackerSigns({})],
      ['with an unknown kid', () => attackerSigns({ kid: 'unknown' })],
      ['with a path as the kid', () => attackerSigns({ kid: '../../dev/null' })],
      [
        'with a key in the header',
        () => attackerSigns({ jwk: attacker.publicKey.export({ format: 'jwk' }) }),
      ],
      ['with a link to keys in the header', () => attackerSigns({ jku: 'https://evil.example/jwks.json' })],
      [
        'with a critical header that is not known',
        async () => {
          const { header, payload, signature } = await genuine();
          return `${encode({ ...header, crit: ['exp'], exp: 1 })}.${payload}.${signature}`;
        },
      ],
      [
        'with another type',
        async () => {
          const { header, payload, signature } = await genuine();
          return `${encode({ ...header, typ: 'JWT' })}.${payload}.${signature}`;
        },
      ],
      [
        'with changed claims',
        async () => {
          const { headerText, payload, signature } = await genuine();
          const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
          return `${headerText}.${encode({ ...claims, sub: 'another' })}.${signature}`;
        },
      ],
    ])('%s', async (_, forge) => {
      const forged = await forge();
      await expect(verify(await signed())).resolves.toBeDefined();
      await expect(verify(forged)).rejects.toThrow(jose.errors.JOSEError);
    });
  });
});

describe('The keys of signed tokens', () => {
  /** Brings the creation of all keys nearer or further. */
  const age = (api: RunningApi, days: number) =>
    api.database.query(`update signing_keys set created_at = created_at - $1 * interval '1 day'`, [days]);
  const kids = async ({ client }: RunningApi) =>
    (await client.get('/.well-known/jwks.json')).body.keys.map(({ kid }: { kid: string }) => kid);

  it('are created once by servers that start together', async () => {
    const api = await startApi(POSTGRES_ALONE);
    const replicas = await Promise.all([1, 2, 3].map(() => startReplica(api)));
    const all = await Promise.all([api, ...replicas].map((server) => kids(server)));
    await Promise.all(replicas.map((server) => server.stop()));
    await api.stop();
    expect(new Set(all.flat()).size).toBe(1);
  });

  it('are rotated with an overlap', async () => {
    const api = await startApi(POSTGRES_ALONE);
    const restarted = async <T>(work: (server: RunningApi) => Promise<T>): Promise<T> => {
      const server = await startReplica(api);
      return work(server).finally(() => server.stop());
    };
    const [first] = await kids(api);
    await age(api, 30);
    const both = await restarted(kids);
    expect(both).toHaveLength(2);
    expect(both).toContain(first);
    // Two days later the first key is not used any more.
    await age(api, 2);
    const last = await restarted(kids);
    expect(last).toEqual(both.filter((kid: string) => kid !== first));
    const [{ count }] = (await api.database.query('select count(*)::int from signing_keys')) as [
      { count: number },
    ];
    await api.stop();
    expect(count).toBe(1);
  });
});
