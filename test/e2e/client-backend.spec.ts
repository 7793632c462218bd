import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, HttpException, Module, Req, UseGuards } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import fastify from 'fastify';
import * as jose from 'jose';
import {
  expressAuth,
  fastifyAuth,
  identityOf,
  introspectionVerifier,
  nestAuth,
  signedTokenVerifier,
  type Verifier,
  VerifierMisconfigured,
  VerifierUnavailable,
} from '../../clients/typescript/src/server/index.js';
import { type RunningApi, startApi } from '../support/api.js';
import { ClientsFile, SECRET_TO_ENCODE, type TestClient } from '../support/api-clients.js';
import { type Answer, Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { TcpProxy } from '../support/proxy.js';
import { times } from '../support/repeat.js';
import { openSession } from '../support/verifications.js';

const AUDIENCE = 'https://api.example.com';
const UNKNOWN_TOKEN = 'A'.repeat(26);

let api: RunningApi;
let clients: ClientsFile;
let shop: TestClient;
let session: Answer['body'];
let signed: string;

beforeAll(async () => {
  clients = new ClientsFile();
  shop = clients.add('shop', ['introspect'], {}, SECRET_TO_ENCODE);
  api = await startApi(POSTGRES_ALONE, { CLIENTS_FILE: clients.path, JWT_AUDIENCES: `${AUDIENCE},billing` });
  session = await openSession(api);
  signed = await signedToken(AUDIENCE);
});
afterAll(async () => {
  await api?.stop();
  clients?.remove();
});

async function signedToken(audience: string): Promise<string> {
  return (await api.client.as(session.token).post('/v1/session/jwt', { audience })).body.token;
}

const issuer = () => api.client.url.replace('127.0.0.1', 'localhost');
const bySignature = (more = {}) => signedTokenVerifier({ issuer: issuer(), audience: AUDIENCE, ...more });
const byIntrospection = (more = {}) =>
  introspectionVerifier({ url: api.client.url, clientId: shop.id, clientSecret: shop.secret, ...more });

describe('The verifier of signed tokens', () => {
  it('returns the user and the session', async () => {
    expect(await bySignature()(signed)).toEqual({
      ...{ sub: session.user.id, sid: session.session_id },
      ...{ scope: 'authentication', exp: expect.any(Number) },
    });
  });

  it.each([{ issuer: '' }, { audience: '' }, { audience: undefined }, { issuer: undefined }])(
    'cannot be created with %j',
    (missing) => {
      expect(() => bySignature(missing as object)).toThrow(TypeError);
    },
  );

  it('cannot decide without the keys', async () => {
    const verify = bySignature({ jwksUrl: 'http://127.0.0.1:9/.well-known/jwks.json' });
    await expect(verify(signed)).rejects.toThrow(VerifierUnavailable);
    const withoutKeys = bySignature({ jwksUrl: `${api.client.url}/v1/me` });
    await expect(withoutKeys(signed)).rejects.toThrow(VerifierUnavailable);
  });

  describe('refuses a token', () => {
    let pair: jose.GenerateKeyPairResult;
    let keys: jose.JSONWebKeySet;

    beforeAll(async () => {
      pair = await jose.generateKeyPair('ES256');
      keys = (await api.client.get('/.well-known/jwks.json')).body;
    });

    /** Signs the claims of the genuine token with a key of an attacker. */
    const forge = (header: object, key: jose.CryptoKey | Uint8Array = pair.privateKey, claims = {}) =>
      new jose.SignJWT({ ...jose.decodeJwt(signed), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keys.keys[0]?.kid, ...header })
        .sign(key);

    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    it.each<[string, () => string | Promise<string>]>([
      ['of a session', () => session.token],
      ['that is no JWT', () => 'a.b.c'],
      ['that is empty', () => ''],
      ['with another signature', () => forge({})],
      ['with another key in the header', async () => forge({ jwk: await jose.exportJWK(pair.publicKey) })],
      [
        'with the address of other keys',
        () => forge({ jku: 'https://evil.example/keys', x5u: 'https://evil.example' }),
      ],
      ['with an unknown key id', () => forge({ kid: 'unknown' })],
      [
        'with an unknown critical header',
        () => {
          const [, claims, signature] = signed.split('.');
          return `${part({ ...jose.decodeProtectedHeader(signed), crit: ['x'], x: 1 })}.${claims}.${signature}`;
        },
      ],
      ['of another type', () => forge({ typ: 'JWT' })],
      [
        'signed with the public key as a secret',
        () => forge({ alg: 'HS256' }, Buffer.from(JSON.stringify(keys.keys[0]))),
      ],
      ['without a signature', () => `${part({ alg: 'none', typ: 'at+jwt' })}.${signed.split('.')[1]}.`],
      [
        'with the claims of another user',
        () => {
          const [header, , end] = signed.split('.');
          return `${header}.${part({ ...jose.decodeJwt(signed), sub: 'another' })}.${end}`;
        },
      ],
      ['for another service', () => signedToken('billing')],
    ])('%s', async (_, token) => {
      expect(await bySignature()(await token())).toBeNull();
    });

    it('of another issuer', async () => {
      const verify = bySignature({
        issuer: 'https://evil.example',
        jwksUrl: `${issuer()}/.well-known/jwks.json`,
      });
      expect(await verify(signed)).toBeNull();
    });

    it.each<[string, { exp?: number | null; nbf?: number; typ?: string }, boolean]>([
      ['that has expired', { exp: -6 }, false],
      ['that is not valid yet', { nbf: 60 }, false],
      ['that expired within the tolerance', { exp: -1 }, true],
      ['of another type', { typ: 'JWT' }, false],
      ['without an end', { exp: null }, false],
    ])('%s, by a genuine key', async (_, { exp = 600, nbf = 0, typ = 'at+jwt' }, valid) => {
      const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: 'own', alg: 'ES256' };
      const server = createServer((_request, response) =>
        response.end(JSON.stringify({ keys: [jwk] })),
      ).listen(0);
      await once(server, 'listening');
      const jwksUrl = `http://localhost:${(server.address() as AddressInfo).port}`;
      const now = Math.floor(Date.now() / 1_000);
      const claims = { nbf: now + nbf, exp: exp === null ? undefined : now + exp };
      const token = await forge({ kid: 'own', typ }, pair.privateKey, claims);
      expect((await bySignature({ jwksUrl })(token)) !== null).toBe(valid);
      server.closeAllConnections();
      server.close();
    });
  });
});

describe('The verifier by introspection', () => {
  it('returns the user and the session, until the session ends', async () => {
    const other = await openSession(api);
    const verify = byIntrospection();
    expect(await verify(other.token)).toEqual({
      ...{ sub: other.user.id, sid: other.session_id },
      ...{ scope: 'authentication', exp: Math.floor(Date.parse(other.expires_at) / 1_000) },
    });
    await api.client.as(other.token).delete('/v1/session');
    expect(await verify(other.token)).toBeNull();
  });

  it('refuses unknown tokens, refresh tokens and signed tokens', async () => {
    const verify = byIntrospection();
    for (const token of [UNKNOWN_TOKEN, session.refresh_token, signed])
      expect(await verify(token)).toBeNull();
  });

  it('asks once for as long as it may keep an answer', async () => {
    let asked = 0;
    const counting = (...request: Parameters<typeof fetch>) => {
      asked += 1;
      return fetch(...request);
    };
    const verify = byIntrospection({ cacheSeconds: 60, fetch: counting });
    for (const token of [session.token, session.token, UNKNOWN_TOKEN, UNKNOWN_TOKEN]) await verify(token);
    expect(asked).toBe(3);
  });

  it.each([
    { url: '' },
    { url: undefined },
    { clientId: '' },
    { clientId: undefined },
    { clientSecret: '' },
    { clientSecret: undefined },
  ])('cannot be created with %j', (missing) => {
    expect(() => byIntrospection(missing as object)).toThrow(TypeError);
  });

  it('is misconfigured with wrong credentials, and does not repeat them', async () => {
    const secret = 'the wrong secret';
    const onError = jest.fn();
    const verify = byIntrospection({ clientSecret: secret, onError });
    const failure = await verify(session.token).catch((error) => error);
    expect(failure).toBeInstanceOf(VerifierMisconfigured);
    expect(failure.message).toMatch(/401.*clientSecret/);
    expect(JSON.stringify([failure.message, failure.stack, failure])).not.toContain(secret);
    expect(onError.mock.calls).toEqual([[failure]]);
  });

  it('is misconfigured where the server has no introspection', async () => {
    const verify = byIntrospection({ url: `${api.client.url}/nowhere`, onError: () => {} });
    await expect(verify(session.token)).rejects.toThrow(VerifierMisconfigured);
  });

  it('logs a misconfiguration once', async () => {
    const log = jest.spyOn(console, 'error').mockImplementation();
    const verify = byIntrospection({ clientSecret: 'the wrong secret' });
    await verify(session.token).catch(() => {});
    await verify(session.token).catch(() => {});
    expect(log.mock.calls).toEqual([[expect.stringMatching(/^VerifierMisconfigured: .*401/)]]);
    log.mockRestore();
  });

  it.each(['{}', '[]', 'null', '<html>'])('cannot decide by the answer %s', async (body) => {
    const verify = byIntrospection({ fetch: async () => new Response(body) });
    await expect(verify(session.token)).rejects.toThrow(VerifierUnavailable);
  });

  it('cannot decide beyond the limit of the client', async () => {
    const file = new ClientsFile();
    const limited = file.add('limited', ['introspect'], { introspect: '2/1h' });
    const server = await startApi(POSTGRES_ALONE, { CLIENTS_FILE: file.path });
    const verify = introspectionVerifier({
      ...{ url: server.client.url, clientId: limited.id, clientSecret: limited.secret },
    });
    const failures = [];
    for (const _ of times(3, (i) => i)) failures.push(await verify(UNKNOWN_TOKEN).catch((error) => error));
    expect(failures).toEqual([null, null, expect.any(VerifierUnavailable)]);
    expect(failures[2].retryAfter).toBeGreaterThan(0);
    await server.stop();
    file.remove();
  });

  it('cannot decide while the server does not answer', async () => {
    const proxy = await TcpProxy.before(api.client.url);
    const verify = byIntrospection({ url: proxy.url, timeoutMs: 200 });
    proxy.blackHole();
    await expect(verify(session.token)).rejects.toThrow(VerifierUnavailable);
    proxy.cut();
    await expect(verify(session.token)).rejects.toThrow(VerifierUnavailable);
    await proxy.close();
  });
});

/** A server of an app with one route, which returns the id of the user. */
interface App {
  readonly client: Client;
  close(): Promise<unknown>;
}

/** As Express and Connect call middleware. */
async function nodeApp(verify: Verifier): Promise<App> {
  const auth = expressAuth(verify);
  const server = createServer((request, response) =>
    auth(request, response, (error) => {
      if (error) response.writeHead(500).end();
      else response.end(identityOf(request).sub);
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    client,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function fastifyApp(verify: Verifier): Promise<App> {
  const app = fastify();
  app.get('/', { onRequest: fastifyAuth(verify) }, async (request) => identityOf(request).sub);
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { client: new Client(url), close: () => app.close() };
}

async function nestApp(verify: Verifier): Promise<App> {
  @Controller()
  class UserController {
    @UseGuards(nestAuth(verify, HttpException))
    @Get()
    find(@Req() request: object): string {
      return identityOf(request).sub;
    }
  }

  @Module({ controllers: [UserController] })
  class UserModule {}

  const module = await Test.createTestingModule({ imports: [UserModule] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  await app.listen(0, '127.0.0.1');
  return { client: new Client(await app.getUrl()), close: () => app.close() };
}

describe.each([
  { name: 'Express', open: nodeApp },
  { name: 'Fastify', open: fastifyApp },
  { name: 'Nest', open: nestApp },
])('An app on $name', ({ open }) => {
  let app: App;
  let verifier: Verifier;

  beforeAll(async () => {
    app = await open((token) => verifier(token));
  });
  beforeEach(() => {
    verifier = byIntrospection();
  });
  afterAll(() => app.close());

  it('serves the user of a token', async () => {
    const answer = await app.client.as(session.token).get('/');
    expect([answer.status, answer.body]).toEqual([200, session.user.id]);
  });

  it.each([
    ['without a token', {}, 'Bearer', 'unauthenticated'],
    [
      'with an unknown token',
      { authorization: `Bearer ${UNKNOWN_TOKEN}` },
      'Bearer error="invalid_token"',
      'invalid_token',
    ],
    ['with a password', { authorization: 'Basic YTpi' }, 'Bearer error="invalid_token"', 'invalid_token'],
  ])('refuses a request %s', async (_, headers, challenge, code) => {
    const answer = await app.client.get('/', headers);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(challenge);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toMatchObject({ status: 401, code });
  });

  it('answers 503 when the token cannot be verified', async () => {
    verifier = byIntrospection({ url: 'http://127.0.0.1:9' });
    const answer = await app.client.as(session.token).get('/');
    expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('answers 500 without a reason when the verifier is misconfigured', async () => {
    verifier = byIntrospection({ clientSecret: 'the wrong secret', onError: () => {} });
    const answer = await app.client.as(session.token).get('/');
    expect(answer.status).toBe(500);
    expect(answer.headers.get('retry-after')).toBeNull();
    expect(answer.body).toEqual({
      ...{ type: 'about:blank', title: 'This server cannot verify tokens' },
      ...{ status: 500, code: 'misconfigured' },
    });
  });

  it('answers 500 to a fault in the verifier', async () => {
    verifier = () => Promise.reject(new Error('a fault'));
    expect((await app.client.as(session.token).get('/')).status).toBe(500);
  });
});

it('A route without authentication has no identity', () => {
  expect(() => identityOf({})).toThrow('no authentication');
});
