import { once } from 'node:events';
import { connect } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { AuthService } from '#auth';
import { readConfig } from '#config';
import { PROBLEMS, type ProblemCode } from '#errors';
import { InboxSender, SendDeferred } from '#messaging';
import { createApi } from '../../apps/api/src/api.js';
import { type RunningApi, SECRET, someNumber, startApi } from '../support/api.js';
import { type Answer, Client } from '../support/client.js';
import { freshDatabase, freshRedis, type Mode, modes, type TestDatabase } from '../support/databases.js';
import { whileLocked, whileMissing } from '../support/outages.js';
import { TcpProxy } from '../support/proxy.js';
import { waitFor } from '../support/wait.js';

const PUBLIC_URL = 'https://sign-in.example';
const REALM = 'Bearer realm="latchkey"';
const INVALID_TOKEN = `${REALM}, error="invalid_token"`;
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const JSON_TYPE = { 'content-type': 'application/json' };

const another = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

/** For a table of tests: what is long goes by its beginning. */
const named = (values: string[]) =>
  values.map((value) => [JSON.stringify(value.slice(0, 50)), value] as const);

/** What a spec asks of a server, however it was started. */
type Server = Pick<RunningApi, 'client' | 'codeFor' | 'database'>;

async function open({ client, codeFor }: Omit<Server, 'database'>, members: object = {}) {
  const phone_number = someNumber();
  const { body } = await client.post('/v1/verifications', { phone_number, ...members });
  return { path: `/v1/verifications/${body.id}`, phone_number, code: await codeFor(phone_number) };
}

async function signIn(server: Omit<Server, 'database'>): Promise<string> {
  const { path, code } = await open(server);
  const { status, body } = await server.client.post(`${path}/check`, { code });
  expect(status).toBe(200);
  return body.token;
}

/** Sends bytes as they are, and reads answers until the server hangs up, as it must. */
async function raw({ url }: Client, bytes: string | Buffer): Promise<Answer[]> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  // A server that refuses half a request resets what is still on its way.
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return answersIn(Buffer.concat(chunks));
}

function answersIn(bytes: Buffer): Answer[] {
  if (bytes.length === 0) return [];
  const end = bytes.indexOf('\r\n\r\n') + 4;
  const [statusLine = '', ...fields] = bytes.toString('latin1', 0, end).trim().split('\r\n');
  const [, version, status] = /^HTTP\/(1\.1) (\d{3}) /.exec(statusLine) ?? [];
  expect(version).toBe('1.1');
  const headers = new Headers(fields.map((field) => field.split(/: ?(.*)/, 2) as [string, string]));
  const length = Number(headers.get('content-length') ?? 0);
  const text = bytes.toString('utf8', end, end + length);
  const body = headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  return [{ status: Number(status), headers, body }, ...answersIn(bytes.subarray(end + length))];
}

const post = (path: string, fields: Record<string, string | number>, body = '') =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: latchkey',
    'Connection: close',
    'Content-Type: application/json',
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n');

const get = (target: string, ...fields: string[]) =>
  [`GET ${target} HTTP/1.1`, 'Host: latchkey', 'Connection: close', ...fields, '', ''].join('\r\n');

describe('The edge', () => {
  let api: RunningApi;
  let strict: RunningApi;
  let reporting: RunningApi;
  let client: Client;
  let token: string;

  beforeAll(async () => {
    api = await startApi({ name: 'Postgres alone', redis: false }, { PUBLIC_URL });
    client = api.client;
    token = await signIn(api);
    strict = await startApi(
      { name: 'Postgres alone', redis: false },
      { PUBLIC_URL, BREAKER_MODE: 'enforce', SPEND_CAP_PER_COUNTRY: '0.1' },
    );
    reporting = await startApi(
      { name: 'Postgres alone', redis: false },
      {
        PUBLIC_URL,
        TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
        TWILIO_AUTH_TOKEN: '0'.repeat(32),
        TWILIO_FROM: '+15005550006',
        TWILIO_API_URL: 'http://127.0.0.1:9',
      },
    );
  });
  afterAll(() => Promise.all([api.stop(), strict.stop(), reporting.stop()]));
  afterEach(() => jest.restoreAllMocks());

  async function send(bytes: string | Buffer): Promise<Answer> {
    const [answer, ...more] = await raw(client, bytes);
    expect(more).toEqual([]);
    return answer as Answer;
  }

  describe('A problem', () => {
    interface Occurrence {
      readonly answer: () => Promise<Answer>;
      readonly extensions?: object;
      readonly headers?: Record<string, string>;
    }

    /** Each row of the table, made to happen. */
    const occurrences: Record<ProblemCode, Occurrence> = {
      invalid_request: {
        answer: () => client.post('/v1/verifications', {}),
        extensions: { errors: [{ pointer: '/phone_number', detail: expect.stringContaining('must be') }] },
      },
      unauthenticated: {
        answer: () => client.get('/protected'),
        headers: { 'www-authenticate': REALM },
      },
      invalid_token: {
        answer: () => client.as('nobody').get('/protected'),
        headers: { 'www-authenticate': INVALID_TOKEN },
      },
      code_rejected: {
        answer: async () => {
          const { path, code } = await open(api);
          return client.post(`${path}/check`, { code: another(code) });
        },
        extensions: { attempts_left: 4 },
      },
      proof_of_work_required: {
        answer: async () => {
          // So many messages to an address whose codes nobody has typed in yet are one too many.
          const ask = () => strict.client.post('/v1/verifications', { phone_number: someNumber() });
          for (let i = 0; i < 4; i += 1) await ask();
          return ask();
        },
        extensions: { challenge: { parameters: expect.any(Object), signature: expect.any(String) } },
      },
      invalid_signature: {
        answer: () =>
          reporting.client.send('POST', '/v1/webhooks/twilio', 'MessageStatus=delivered', {
            'content-type': 'application/x-www-form-urlencoded',
          }),
      },
      not_found: { answer: () => client.get('/v1/verifications/nobody') },
      method_not_allowed: {
        answer: () => client.delete('/v1/verifications'),
        headers: { allow: 'POST' },
      },
      request_timeout: { answer: () => send(post('/v1/verifications', { 'Content-Length': 2 }, '{')) },
      verification_closed: {
        answer: async () => {
          const { path } = await open(api);
          await client.delete(path);
          return client.delete(path);
        },
        extensions: { verification_status: 'canceled' },
      },
      payload_too_large: { answer: () => client.post('/v1/verifications', { name: 'a'.repeat(16_384) }) },
      unsupported_media_type: {
        answer: () => client.send('POST', '/v1/verifications', '{}', { 'content-type': 'text/plain' }),
      },
      phone_number_not_allowed: {
        answer: () => client.post('/v1/verifications', { phone_number: '+442079460958' }),
      },
      sends_suspended: {
        // A message to there costs more than may be spent in a day.
        answer: () => strict.client.post('/v1/verifications', { phone_number: '+923012345678' }),
        extensions: { retry_after: expect.any(Number) },
        headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
      },
      rate_limited: {
        answer: async () => {
          const { path } = await open(api);
          return client.post(`${path}/resend`);
        },
        extensions: { limit: 'cool_down', retry_after: 30 },
        headers: { 'retry-after': '30' },
      },
      headers_too_large: { answer: () => send(get('/health/live', `X-Bomb: ${'a'.repeat(16_384)}`)) },
      internal_error: {
        answer: () => whileMissing(api.database, 'users', () => client.as(token).get('/protected')),
      },
      unavailable: {
        answer: () => whileLocked(api.database, 'users', () => client.as(token).get('/protected')),
        headers: { 'retry-after': '2' },
      },
    };
    const codes = Object.keys(PROBLEMS) as ProblemCode[];

    it.each(codes)(
      '%s says what RFC 9457 wants, what the table says and what belongs to it',
      async (code) => {
        const { answer, extensions, headers = {} } = occurrences[code];
        const { status, title } = PROBLEMS[code];
        const given = await answer();
        expect(given.status).toBe(status);
        expect(given.headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/);
        expect(given.body).toEqual({
          type: `${PUBLIC_URL}/problems/${code}`,
          title,
          status,
          detail: expect.stringMatching(/\w/),
          instance: given.headers.get('x-request-id'),
          code,
          ...extensions,
        });
        for (const [name, value] of Object.entries(headers)) expect(given.headers.get(name)).toEqual(value);
      },
    );

    it('has an explanation where its type points, and all of them stand in one list', async () => {
      const explained = codes.map((code) => ({ code, ...PROBLEMS[code] }));
      expect((await client.get('/problems')).body).toEqual(explained);
      for (const explanation of explained) {
        const { status, body } = await client.get(`/problems/${explanation.code}`);
        expect(status).toBe(200);
        expect(body).toEqual(explanation);
      }
    });

    it.each(['nope', 'constructor', '__proto__', 'Not_Found'])('%s is none', async (code) => {
      expect((await client.get(`/problems/${code}`)).body).toMatchObject({ status: 404, code: 'not_found' });
    });

    const atSignUp: Partial<Record<ProblemCode, () => Promise<Answer>>> = {
      invalid_request: () => client.post('/signup', {}),
      invalid_token: () => client.as('nobody').post('/signup', { phone_number: someNumber() }),
      code_rejected: () => client.post('/signup', { phone_number: someNumber(), otp: '123456' }),
      method_not_allowed: () => client.delete('/signup'),
      payload_too_large: () => client.post('/signup', { name: 'a'.repeat(16_384) }),
      unsupported_media_type: () => client.send('POST', '/signup', '{}', { 'content-type': 'text/plain' }),
      rate_limited: async () => {
        const phone_number = someNumber();
        await client.post('/signup', { phone_number });
        return client.post('/signup?again', { phone_number });
      },
      internal_error: () =>
        whileMissing(api.database, 'verifications', () =>
          client.post('/%73ignup', { phone_number: someNumber() }),
        ),
      unavailable: () =>
        whileLocked(api.database, 'verifications', () =>
          client.post('/signup', { phone_number: someNumber() }),
        ),
    };

    it.each(Object.keys(atSignUp) as ProblemCode[])(
      '%s says its title once more at /signup, whose older clients read `error`',
      async (code) => {
        const { body } = await (atSignUp[code] as () => Promise<Answer>)();
        expect(body).toMatchObject({ code, error: PROBLEMS[code].title });
      },
    );
  });

  describe('Whatever throws', () => {
    const auth = () => api.nest.get(AuthService);
    const vault = 'the combination of the vault';
    const faults: Record<string, () => Promise<Answer>> = {
      'a missing table': () =>
        whileMissing(api.database, 'verifications', () => client.get(`/v1/verifications/${NO_ID}`)),
      'a missing table in a transaction': async () => {
        const { path, code } = await open(api);
        return whileMissing(api.database, 'tokens', () => client.post(`${path}/check`, { code }));
      },
      'a handler': () => {
        jest.spyOn(auth(), 'verification').mockRejectedValue(new Error(vault));
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      'a handler, before it waits for anything': () => {
        jest.spyOn(auth(), 'verification').mockImplementation(() => {
          throw new TypeError(vault);
        });
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      'an error that wears a status of its own': () => {
        jest
          .spyOn(auth(), 'verification')
          .mockRejectedValue(Object.assign(new Error(vault), { statusCode: 200 }));
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      'something that is no error': () => {
        jest.spyOn(auth(), 'verification').mockRejectedValue(vault);
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      nothing: () => {
        jest.spyOn(auth(), 'verification').mockRejectedValue(undefined);
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      'an object without a prototype': () => {
        jest.spyOn(auth(), 'verification').mockRejectedValue(Object.create(null));
        return client.get(`/v1/verifications/${NO_ID}`);
      },
      'the guard': () => {
        jest.spyOn(auth(), 'userOf').mockRejectedValue(new RangeError(vault));
        return client.as(token).get('/protected');
      },
      'an answer that JSON cannot hold': () => {
        jest.spyOn(auth(), 'userOf').mockResolvedValue({ version: 1n } as never);
        return client.as(token).get('/protected');
      },
    };

    it.each(Object.keys(faults))(
      '%s: is one internal_error that tells nothing, and the process lives on',
      async (fault) => {
        const { status, headers, body } = await (faults[fault] as () => Promise<Answer>)();
        expect(status).toBe(500);
        expect(body).toEqual({
          type: `${PUBLIC_URL}/problems/internal_error`,
          title: PROBLEMS.internal_error.title,
          status: 500,
          detail: 'something unforeseen; the operator finds it by the request id',
          instance: headers.get('x-request-id'),
          code: 'internal_error',
        });
        expect([...headers.values()].join()).not.toContain(vault);
        jest.restoreAllMocks();
        await signIn(api);
      },
    );

    it('does not burn the code', async () => {
      const { path, code } = await open(api);
      await whileMissing(api.database, 'tokens', () => client.post(`${path}/check`, { code }));
      expect((await client.post(`${path}/check`, { code })).status).toBe(200);
    });
  });

  describe('A bearer', () => {
    const routes: Record<string, (authorization: string) => Promise<Answer>> = {
      'GET /protected': (authorization) => client.get('/protected', { authorization }),
      'POST /signup': (authorization) =>
        client.post('/signup', { phone_number: someNumber() }, { authorization }),
      'GET /health/live': (authorization) => client.get('/health/live', { authorization }),
    };

    it('is wanted where nobody said otherwise, and its realm is named', async () => {
      const { status, headers, body } = await client.get('/protected');
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe(REALM);
      expect(body.code).toBe('unauthenticated');
    });

    it.each(
      named(['Bearer', 'Bearer =', 'Bearer a b', `Bearer ${'A'.repeat(26)}`, `Bearer ${'A'.repeat(8_000)}`]),
    )('that is no good is refused on public routes as well: %s', async (_, authorization) => {
      for (const [route, ask] of Object.entries(routes)) {
        const { status, headers, body } = await ask(authorization);
        expect([route, status, body.code]).toEqual([route, 401, 'invalid_token']);
        expect(headers.get('www-authenticate')).toBe(INVALID_TOKEN);
      }
    });

    it.each(named(['', 'Basic bm9ib2R5OmhlcmU=', 'Token AAAAAAAAAAAAAAAAAAAAAAAAAA']))(
      'is not what a proxy or another scheme left in the header: %s',
      async (_, authorization) => {
        expect((await client.get('/health/live', { authorization })).status).toBe(200);
        const { status, headers, body } = await client.get('/protected', { authorization });
        expect([status, body.code]).toEqual([401, 'unauthenticated']);
        expect(headers.get('www-authenticate')).toBe(REALM);
      },
    );

    it('is refused when one character of it is another', async () => {
      for (const mangled of [token.toLowerCase(), `${token}=`, token.slice(1), `${token}A`]) {
        expect((await client.as(mangled).get('/protected')).body.code).toBe('invalid_token');
      }
    });

    it('is refused from the moment it expires', async () => {
      const short = await signIn(api);
      const mine = 'created_at = (select max(created_at) from tokens)';
      expect((await client.as(short).get('/protected')).status).toBe(200);
      await api.database.query(`update tokens set expires_at = now() where ${mine}`);
      for (const ask of Object.values(routes)) {
        expect((await ask(`Bearer ${short}`)).body.code).toBe('invalid_token');
      }
    });

    it.each(['Bearer ', 'bearer ', 'BEARER   '])('may write its scheme as it likes: %s', async (scheme) => {
      for (const ask of Object.values(routes)) expect((await ask(scheme + token)).status).toBe(200);
    });

    it('is taken once: of two headers neither counts', async () => {
      const twice = [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`];
      expect([200, 401]).toContain((await send(get('/protected', ...twice))).status);
    });
  });

  describe('A route', () => {
    const allow: Record<string, string> = {
      '/signup': 'POST',
      '/protected': 'GET, HEAD',
      '/v1/verifications': 'POST',
      '/v1/verifications/:id': 'GET, HEAD, DELETE',
      '/v1/verifications/:id/resend': 'POST',
      '/v1/verifications/:id/check': 'POST',
      '/v1/devices': 'DELETE',
      '/health/live': 'GET, HEAD',
      '/health/ready': 'GET, HEAD',
      '/metrics': 'GET, HEAD',
      '/problems': 'GET, HEAD',
      '/problems/:code': 'GET, HEAD',
      '/dev/inbox': 'GET, HEAD',
      '/dev/inbox/messages': 'GET, HEAD, DELETE',
      '/dev/inbox/messages/:id/deliver': 'POST',
      '/dev/inbox/messages/:id/fail': 'POST',
      '/dev/inbox/plan': 'GET, HEAD, PUT',
      '/docs': 'GET, HEAD',
      '/openapi.json': 'GET, HEAD',
    };
    const addressOf = (route: string) => route.replace(':id', NO_ID).replace(':code', 'not_found');
    const withHead = Object.keys(allow).filter((route) => allow[route]?.includes('HEAD'));

    it('is known here, whichever there is', () => {
      const { knownRoutes } = api.nest.getHttpAdapter().getInstance();
      const { routes } = knownRoutes as unknown as { routes: { path: string }[] };
      const known = new Set(routes.map(({ path }) => path));
      const swaggerUi = [...known].filter((path) => path.startsWith('/docs/'));
      expect([...known].sort()).toEqual([...Object.keys(allow), ...swaggerUi].sort());
    });

    it.each(Object.keys(allow))('%s names the methods it knows to whoever uses another', async (route) => {
      const known = allow[route] as string;
      const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter(
        (method) => !known.split(', ').includes(method),
      );
      for (const method of others) {
        const { status, headers, body } = await client.send(method, addressOf(route));
        expect([method, status, headers.get('allow')]).toEqual([method, 405, known]);
        if (method !== 'HEAD') expect(body.code).toBe('method_not_allowed');
      }
    });

    it.each(withHead)('%s answers HEAD as GET, without a body', async (route) => {
      const asked = { 'x-request-id': 'the-same' };
      const [whole, head] = [
        await client.send('GET', addressOf(route), undefined, asked),
        await client.send('HEAD', addressOf(route), undefined, asked),
      ];
      expect(head.status).toBe(whole.status);
      expect(head.body).toBe('');
      // The clock, the measurements and the connection are not the same ones.
      const lasting = ({ headers }: Answer) =>
        [...headers].filter(
          ([name]) => !['date', 'content-length', 'connection', 'keep-alive'].includes(name),
        );
      expect(lasting(head)).toEqual(lasting(whole));
    });

    it.each(
      named([
        '/signup/',
        '//signup',
        '/./signup/.',
        '/Signup',
        '/SIGNUP',
        '/signup%2F',
        '/signup%00',
        '/signup;a=b',
        '/protected/',
        '//protected',
        '/PROTECTED',
        '/protected%20',
        '/v1//verifications',
        '/V1/verifications',
        '/v1/verifications/',
        `/v1/verifications/${NO_ID}/`,
        `/v1/verifications/${NO_ID}/check/`,
        `/v1/verifications/${NO_ID}%2fcheck`,
        '/docs/nope',
        '/docs/%2e%2e/%2e%2e/package.json',
        '/docs/..%2f..%2fpackage.json',
        '/docs/%5c..%5cpackage.json',
        `/${'a'.repeat(12_000)}`,
        '/%F0%9F%94%91',
      ]),
    )('is found by its exact address only: %s', async (_, address) => {
      const { status, body } = await send(get(address));
      expect([status, body.code]).toEqual([404, 'not_found']);
    });

    it.each(named(['/%', '/%zz', '/v1/verifications/%E0%A4%A', `/v1/verifications/${'a'.repeat(2_000)}`]))(
      'is not looked for under an address that is none: %s',
      async (_, address) => {
        const { status, body } = await send(get(address));
        expect([status, body.code]).toEqual([400, 'invalid_request']);
      },
    );

    it.each(['/%70rotected', '/protected?a=%zz', '/protected#a', 'http://elsewhere/protected'])(
      'is the same however its address is spelt, and as guarded: %s',
      async (address) => {
        expect((await send(get(address))).body.code).toBe('unauthenticated');
        expect((await send(get(address, `Authorization: Bearer ${token}`))).status).toBe(200);
      },
    );

    it.each([
      ['a range beyond the end', 'Range: bytes=99999999-', 416],
      ['a precondition that fails', 'If-Match: "nothing"', 412],
    ])('that serves files takes %s for a fault of the request', async (_, field) => {
      const { status, body } = await send(get('/docs/swagger-ui.css', field));
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    });
  });

  describe('Every answer', () => {
    const answers: Record<string, () => Promise<Answer>> = {
      'that a process runs': () => client.get('/health/live'),
      'that all is well': () => client.get('/health/ready'),
      'with measurements': () => client.get('/metrics'),
      'with a page': () => client.get('/dev/inbox'),
      'with Swagger UI': () => client.get('/docs'),
      'with the OpenAPI document': () => client.get('/openapi.json'),
      'to a sign-up': () => client.post('/signup', { phone_number: someNumber() }),
      'to who is signed in': () => client.as(token).get('/protected'),
      'to who is not': () => client.get('/protected'),
      'that a verification is open': () => client.post('/v1/verifications', { phone_number: someNumber() }),
      'without a body': async () => client.delete((await open(api)).path),
      'that there is nothing': () => client.get('/nowhere'),
      'that there is no such method': () => client.get('/signup'),
      'to a body that breaks a rule': () => client.post('/signup', {}),
      'to a body that is no JSON': () => client.send('POST', '/signup', '{', JSON_TYPE),
      'to a body that is too large': () => client.post('/signup', { name: 'a'.repeat(16_384) }),
      'to a body of another type': () =>
        client.send('POST', '/signup', 'a=b', { 'content-type': 'text/plain' }),
      'to an address that is none': () => send(get('/%')),
      'to a request that is none': () => send('GET\r\n\r\n'),
      'to too many headers': () => send(get('/health/live', `X-Bomb: ${'a'.repeat(16_384)}`)),
      'that something unforeseen happened': () =>
        whileMissing(api.database, 'verifications', () => client.get(`/v1/verifications/${NO_ID}`)),
    };

    it.each(Object.keys(answers))(
      '%s names the request, and is for no cache and no guesser of types',
      async (which) => {
        const { headers } = await (answers[which] as () => Promise<Answer>)();
        expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
        expect(headers.get('cache-control')).toBe('no-store');
        expect(headers.get('vary')).toBe('Authorization');
        expect(headers.get('x-content-type-options')).toBe('nosniff');
      },
    );

    it.each(['a', 'A.b_c~d-9', 'a'.repeat(64)])('takes over a sane X-Request-Id: %s', async (id) => {
      for (const path of ['/health/live', '/nowhere', '/%', '/signup']) {
        const { headers, body } = await client.get(path, { 'x-request-id': id });
        expect(headers.get('x-request-id')).toBe(id);
        if (body.code) expect(body.instance).toBe(id);
      }
    });

    it.each(['', 'a'.repeat(65), 'a b', 'a,b', '"a"', '<a>', '../a', 'a\tb', 'é', '{}', '%0a', 'a=b'])(
      'has an id of its own when X-Request-Id is not sane: %j',
      async (id) => {
        for (const path of ['/health/live', '/nowhere', '/%']) {
          const { headers } = await client.get(path, { 'x-request-id': id });
          expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
        }
      },
    );
  });

  it('measures requests by the pattern of their route', async () => {
    await client.get(`/v1/verifications/${NO_ID}`);
    await client.get(`/nowhere/${NO_ID}`);
    const { status, headers, body } = await client.get('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const count = 'latchkey_http_request_duration_seconds_count';
    expect(body).toMatch(
      new RegExp(`^${count}{method="GET",route="/v1/verifications/:id",status="404"} \\d+$`, 'm'),
    );
    expect(body).toMatch(new RegExp(`^${count}{method="GET",route="none",status="404"} \\d+$`, 'm'));
    expect(body).toMatch(/^process_cpu_seconds_total \d/m);
    expect(body).not.toContain(NO_ID);
  });

  describe('A connection', () => {
    afterEach(async () => {
      expect((await client.get('/health/live')).status).toBe(200);
    });

    const body = () => JSON.stringify({ phone_number: someNumber() });
    const chunked = (...chunks: string[]) =>
      [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
    const CHUNKED = { 'Transfer-Encoding': 'chunked' };

    it.each([
      ['noise', Buffer.from([0, 1, 2, 255, 13, 10, 13, 10])],
      ['a TLS hello', Buffer.from('160301020001000', 'hex')],
      ['no address', 'GET\r\n\r\n'],
      ['a version there is not', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
      ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['a method there is not', 'SIGN /signup HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['a space in the address', get('/health live')],
      ['an address without a slash', get('health/live')],
      ['a NUL in a header', get('/health/live', 'X-A: a\0b')],
      ['a folded header', get('/health/live', 'X-A: a', ' b')],
      ['a header without a name', get('/health/live', ': a')],
      ['no Host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'],
      ['a length below nothing', post('/signup', { 'Content-Length': -1 }, '{}')],
      ['a length that is no number', post('/signup', { 'Content-Length': 'two' }, '{}')],
      ['a length beyond all numbers', post('/signup', { 'Content-Length': '9'.repeat(30) }, '{}')],
      ['two lengths', post('/signup', { 'Content-Length': 2, 'content-length': 3 }, '{}')],
      ['a length and chunks', post('/signup', { 'Content-Length': 5, ...CHUNKED }, chunked('{}'))],
      ['chunks and a length', post('/signup', { ...CHUNKED, 'Content-Length': 5 }, chunked('{}'))],
      ['a coding nobody knows the end of', post('/signup', { 'Transfer-Encoding': 'gzip' }, '{}')],
      ['chunks of no size', post('/signup', CHUNKED, 'zz\r\n{}\r\n0\r\n\r\n')],
      ['a chunk longer than it says', post('/signup', CHUNKED, '1\r\n{}\r\n0\r\n\r\n')],
      ['an endless chunk extension', post('/signup', CHUNKED, `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`)],
      ['a body longer than it says', post('/signup', { 'Content-Length': 1 }, '{}')],
    ])('that brings %s is told so and closed', async (_, bytes) => {
      const { status, headers, body } = await send(bytes);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/);
    });

    it.each([
      ['one huge header', get('/health/live', `X-Bomb: ${'a'.repeat(20_000)}`)],
      ['thousands of headers', get('/health/live', ...Array.from({ length: 3_000 }, (_, i) => `X-${i}: a`))],
      ['a huge address', get(`/${'a'.repeat(20_000)}`)],
    ])('that brings %s is told that it is too much', async (_, bytes) => {
      const { status, body } = await send(bytes);
      expect([status, body.code]).toEqual([431, 'headers_too_large']);
    });

    it.each([
      ['says so', post('/signup', { 'Content-Length': 99_999_999_999 }, '{}')],
      ['does not', post('/signup', { 'Transfer-Encoding': 'chunked' }, chunked(' '.repeat(20_000)))],
    ])('that brings too large a body is told so, whether it %s', async (_, bytes) => {
      const { status, body } = await send(bytes);
      expect([status, body.code]).toEqual([413, 'payload_too_large']);
    });

    it('that stalls is told when it took too long, wherever it stalled', async () => {
      const stalled = await Promise.all([
        send('GET /health/live HTTP/1.1\r\nHost'),
        send(post('/signup', { 'Content-Length': 2 }, '{')),
        send(post('/signup', CHUNKED, '1\r\n{\r\n')),
      ]);
      for (const { status, body } of stalled) {
        expect([status, body.code]).toEqual([408, 'request_timeout']);
      }
    });

    it('that leaves in the middle harms nobody', async () => {
      for (const bytes of ['GET /hea', post('/signup', { 'Content-Length': 200 }, '{'), get('/protected')]) {
        const socket = connect(Number(new URL(client.url).port), '127.0.0.1');
        await once(socket, 'connect');
        socket.write(bytes, () => socket.resetAndDestroy());
        await once(socket, 'close');
      }
      await signIn(api);
    });

    it.each([
      ['in chunks', () => post('/signup', CHUNKED, chunked('{"phone_', `number":"${someNumber()}"}`))],
      [
        'after it was asked to go on',
        () => post('/signup', { Expect: '100-continue', 'Content-Length': 31 }, body()),
      ],
      [
        'with an expectation nobody knows',
        () => post('/signup', { Expect: 'more', 'Content-Length': 31 }, body()),
      ],
    ])('may send its body %s', async (_, bytes) => {
      const answers = await raw(client, bytes());
      expect(answers.at(-1)).toMatchObject({ status: 200, body: { success: true } });
    });

    it('may speak HTTP/1.0', async () => {
      const { status, headers } = await send('GET /health/live HTTP/1.0\r\n\r\n');
      expect(status).toBe(200);
      expect(headers.get('connection')).toBe('close');
    });

    it('may ask several things at once, and is answered in order', async () => {
      const goOn = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
      const answers = await raw(
        client,
        goOn('/protected') + goOn('/health/ready') + goOn('/nowhere') + get('/problems'),
      );
      expect(answers.map(({ status }) => status)).toEqual([401, 200, 404, 200]);
    });

    it.each(['CONNECT elsewhere:443', 'TRACE /signup', 'OPTIONS *', 'PROPFIND /', 'QUERY /signup', 'PRI *'])(
      'gets no more than a problem for %s',
      async (request) => {
        const answers = await raw(client, `${request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
        for (const { status, body } of answers) {
          expect(status).toBeGreaterThanOrEqual(400);
          expect(status).toBeLessThan(500);
          expect(PROBLEMS).toHaveProperty(body.code);
        }
      },
    );

    it('is not upgraded to anything', async () => {
      const upgrade = [
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ];
      const wish = get('/health/live', ...upgrade).replace('Connection: close', 'Connection: upgrade, close');
      expect((await send(wish)).status).toBe(200);
    });
  });
});

interface BreakableApi extends Server {
  /** The ways to what the server depends on, by name. */
  readonly wires: Readonly<Record<string, TcpProxy>>;
  stop(): Promise<void>;
}

async function startBreakable(mode: Mode): Promise<BreakableApi> {
  const database = await freshDatabase();
  const postgres = await TcpProxy.before(database.url);
  const redis = mode.redis ? await TcpProxy.before(await freshRedis()) : null;
  const { nest, client, codeFor } = await start(postgres.url, redis?.url);
  const wires = { postgres, ...(redis && { redis }) };
  return {
    database,
    client,
    codeFor,
    wires,
    stop: async () => {
      await nest.close();
      for (const wire of Object.values(wires)) await wire.close();
      await database.drop();
    },
  };
}

/** Like `startApi`, but with whatever stands between the server and its databases, and with a log to look into. */
async function start(
  databaseUrl: string,
  redisUrl?: string,
  variables = {},
  log = pino({ level: 'silent' }),
) {
  const config = readConfig({
    NODE_ENV: 'test',
    PORT: '0',
    SECRET,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    LIMIT_COOL_DOWN: '1s',
    ...variables,
  });
  const nest: NestFastifyApplication = await createApi(config, databaseUrl, log);
  await nest.listen(0, '127.0.0.1');
  const client = new Client(await nest.getUrl());
  const codeFor = (phoneNumber: string) =>
    waitFor(`a code for ${phoneNumber}`, async () => {
      const { body } = await client.get(`/dev/inbox/messages?to=${encodeURIComponent(phoneNumber)}`);
      return body[0]?.code as string;
    });
  return { nest, client, codeFor };
}

describe.each(modes)('What the server depends on, on $name', (mode) => {
  let api: BreakableApi;
  let token: string;

  beforeAll(async () => {
    api = await startBreakable(mode);
    token = await signIn(api);
  });
  afterAll(() => api.stop());
  afterEach(() => {
    for (const wire of Object.values(api.wires)) wire.heal();
  });

  /** An answer in time, that asks for patience. */
  async function expectUnavailable(answer: Promise<Answer>): Promise<void> {
    const startedAt = Date.now();
    const { status, headers, body } = await answer;
    expect([status, body.code]).toEqual([503, 'unavailable']);
    expect(headers.get('retry-after')).toBe('2');
    expect(body.detail).toBe('a dependency of this server does not answer; try again shortly');
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  }

  it('is all there, by name', async () => {
    const { status, body } = await api.client.get('/health/ready');
    expect(status).toBe(200);
    expect(Object.keys(body.dependencies)).toEqual(Object.keys(api.wires));
    for (const dependency of Object.values(body.dependencies))
      expect(dependency).toMatchObject({ status: 'up' });
  });

  it('may keep a sign-in waiting too long, and its code is as good as before', async () => {
    const { path, code } = await open(api);
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const otp = await api.codeFor(phone_number);
    await whileLocked(api.database, 'tokens', async () => {
      await expectUnavailable(api.client.post(`${path}/check`, { code }));
      await expectUnavailable(api.client.post('/signup', { phone_number, otp }));
    });
    expect((await api.client.post(`${path}/check`, { code })).body).toMatchObject({ is_new_user: true });
    expect((await api.client.post('/signup', { phone_number, otp })).status).toBe(200);
  });

  it('may keep a bearer waiting too long, who is not told to sign in again', async () => {
    await whileLocked(api.database, 'tokens', () =>
      expectUnavailable(api.client.as(token).get('/protected')),
    );
    expect((await api.client.as(token).get('/protected')).status).toBe(200);
  });

  const dependencies = mode.redis ? ['postgres', 'redis'] : ['postgres'];
  const faults = dependencies.flatMap((name) => [
    { name, fault: 'cut' as const },
    { name, fault: 'blackHole' as const },
  ]);

  describe.each(faults)('when $name is away ($fault)', ({ name, fault }) => {
    const wire = () => api.wires[name] as TcpProxy;
    const isStore = name === (mode.redis ? 'redis' : 'postgres');

    async function untilReady(): Promise<void> {
      await waitFor('readiness', async () => (await api.client.get('/health/ready')).status === 200);
    }

    it('says so, and that it is back, without a restart', async () => {
      wire()[fault]();
      const away = await waitFor('the loss to be noticed', async () => {
        const answer = await api.client.get('/health/ready');
        return answer.status === 503 && answer;
      });
      const others = dependencies.filter((other) => other !== name);
      expect(away.headers.get('retry-after')).toBe('2');
      expect(away.body.code).toBe('unavailable');
      expect(away.body.dependencies).toEqual({
        [name]: expect.objectContaining({ status: 'down' }),
        ...Object.fromEntries(others.map((other) => [other, expect.objectContaining({ status: 'up' })])),
      });
      expect(JSON.stringify(away.body.dependencies)).not.toMatch(/127\.0\.0\.1|ECONN/);
      expect((await api.client.get('/health/live')).status).toBe(200);
      wire().heal();
      await untilReady();
    });

    it('asks for patience soon, and then everything goes on where it was', async () => {
      const { path, code } = await open(api);
      wire()[fault]();
      await expectUnavailable(api.client.post(`${path}/check`, { code }));
      if (isStore) {
        await expectUnavailable(api.client.get(path));
        await expectUnavailable(api.client.post('/v1/verifications', { phone_number: someNumber() }));
        await expectUnavailable(api.client.post('/signup', { phone_number: someNumber() }));
        await expectUnavailable(api.client.post('/signup', { phone_number: someNumber(), otp: '123456' }));
      }
      if (name === 'postgres') await expectUnavailable(api.client.as(token).get('/protected'));
      else expect((await api.client.as(token).get('/protected')).status).toBe(200);

      wire().heal();
      await untilReady();
      expect((await api.client.as(token).get('/protected')).status).toBe(200);
      expect((await api.client.post(`${path}/check`, { code })).status).toBe(200);
      await signIn(api);
    });
  });
});

describe.each(modes)('Secrets on $name', (mode) => {
  const secrets = { numbers: [''], codes: [''], tokens: [''], secrets: [SECRET] };
  const kinds = Object.keys(secrets) as (keyof typeof secrets)[];
  const ids: string[] = [];
  const seen = { logs: '', metrics: '', Postgres: '', Redis: '' };
  const places = Object.keys(seen) as (keyof typeof seen)[];

  /** A whole day in the life of a server, the bad moments included; then everything it said and kept. */
  beforeAll(async () => {
    const database = await freshDatabase();
    const redisUrl = mode.redis ? await freshRedis() : undefined;
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
    // Six digits turn up by chance, ten do not.
    const { nest, client, codeFor } = await start(database.url, redisUrl, { OTP_LENGTH: '10' }, log);

    const opened = await open({ client, codeFor }, { name: 'Ada' });
    const { path, phone_number, code } = opened;
    await client.post(`${path}/check`, { code: another(code) });
    await client.post(`${path}/resend`);
    const { body: session } = await client.post(`${path}/check`, { code });
    await client.post(`${path}/check`, { code });
    await client.as(session.token).get('/protected');
    await client.as(session.token).post('/signup', { phone_number, otp: code });
    await client.get(`/nowhere/${phone_number}?code=${code}&token=${session.token}`);
    await client.get(`/v1/verifications/${code}`);
    await client.send('POST', '/signup', `{ "phone_number": "${phone_number}", "otp": ${code}x }`, JSON_TYPE);
    await client.post('/signup', { phone_number, [code]: session.token });
    await raw(client, `GET ${phone_number} ${code}\r\n\r\n`);
    await raw(
      client,
      get('/health/live', `Authorization: Bearer ${session.token}`, `X-${code}: ${'a'.repeat(20_000)}`),
    );

    const other = someNumber();
    await client.post('/signup', { phone_number: other, name: 'Ada' });
    const otp = await codeFor(other);
    await whileMissing(database, 'tokens', () => client.post('/signup', { phone_number: other, otp }));
    await whileLocked(database, 'users', () => client.post('/signup', { phone_number: other, otp }));
    await whileMissing(database, 'users', () => client.as(session.token).get('/protected'));
    const { body: signedUp } = await client.post('/signup', { phone_number: other, otp });

    const inbox = nest.get(InboxSender);
    const send = jest.spyOn(inbox, 'send').mockRejectedValue(new SendDeferred('busy', 60_000));
    const waiting = await client.post('/v1/verifications', { phone_number: someNumber() });
    await waitFor('the first try', () => send.mock.calls.length > 0);
    const [message] = send.mock.calls.map(([sent]) => sent);

    secrets.numbers = [phone_number, other, message?.to as string].map((number) => number.slice(2));
    secrets.codes = [code, otp, message?.code as string];
    secrets.tokens = [session.token, signedUp.token];
    ids.push(path.slice('/v1/verifications/'.length), waiting.body.id);
    seen.Postgres = await everythingIn(database);
    if (redisUrl) seen.Redis = await everythingInRedis(redisUrl);
    seen.metrics = (await client.get('/metrics')).body;
    await nest.close();
    seen.logs = lines.join('');
    await database.drop();
  }, 60_000);
  afterAll(() => jest.restoreAllMocks());

  it('are looked for where there is something to find', () => {
    expect(seen.logs).toContain('/v1/verifications/:id/check');
    expect(seen.logs).toMatch(/"level":50.*does not exist/);
    expect(seen.logs).toMatch(/"level":40.*postgres is away/);
    expect(seen.metrics).toContain('route="/v1/verifications/:id/check"');
    expect(seen.Postgres).toContain('Ada');
    const store = mode.redis ? seen.Redis : seen.Postgres;
    expect(store).toContain('send-code');
    for (const id of ids) expect(store).toContain(id);
    expect(kinds.map((kind) => secrets[kind].filter(Boolean).length)).toEqual([3, 3, 2, 1]);
  });

  it.each(kinds.flatMap((kind) => places.map((place) => [kind, place] as const)))(
    '%s are not in %s',
    (kind, place) => {
      for (const form of secrets[kind].flatMap(formsOf)) expect(seen[place]).not.toContain(form);
    },
  );

  it('do not include the ids of verifications, which the logs and the metrics keep to themselves all the same', () => {
    for (const id of ids) expect(seen.logs + seen.metrics).not.toContain(id);
  });
});

/** The text as it is, and as hexadecimal digits and base64 would show it wherever it begins. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = shifted.subarray(offset === 0 ? 0 : 3, shifted.length - (shifted.length % 3));
    return whole.toString('base64');
  });
  return [
    secret,
    bytes.toString('hex'),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}

async function everythingIn({ query }: TestDatabase): Promise<string> {
  const tables = await query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  const rows = await Promise.all(tables.map(({ name }) => query(`select t::text from ${name} t`)));
  return JSON.stringify(rows);
}

async function everythingInRedis(url: string): Promise<string> {
  const redis = new Redis(url);
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    hash: (key) => redis.hgetall(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, 0, -1),
    stream: (key) => redis.xrange(key, '-', '+'),
  };
  const keys = await redis.keys('*');
  const values = await Promise.all(keys.map(async (key) => [key, await read[await redis.type(key)]?.(key)]));
  redis.disconnect();
  return JSON.stringify(values);
}
