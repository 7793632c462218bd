import { type RunningApi, startApi } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, sendRawOnce } from '../support/raw-http.js';
import { times } from '../support/repeat.js';
import { labelled } from '../support/titles.js';
import { deliveredAs, openVerification, signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const JSON_TYPE = { 'content-type': 'application/json' };

let api: RunningApi;
let client: Client;
let token: string;

beforeAll(async () => {
  api = await startApi(POSTGRES_ALONE);
  client = api.client;
  token = await signIn(api);
});
afterAll(() => api.stop());

describe('Routes', () => {
  const allow: Record<string, string> = {
    '/': 'GET, HEAD',
    '/signup': 'POST',
    '/protected': 'GET, HEAD',
    '/v1/verifications': 'POST',
    '/v1/verifications/:id': 'GET, HEAD, DELETE',
    '/v1/verifications/:id/resend': 'POST',
    '/v1/verifications/:id/check': 'POST',
    '/v1/devices': 'DELETE',
    '/v1/me': 'GET, HEAD, PATCH, DELETE',
    '/v1/me/export': 'GET, HEAD',
    '/v1/me/phone_number': 'POST',
    '/v1/me/avatar': 'PUT, DELETE',
    '/v1/avatars/:file': 'GET, HEAD',
    '/v1/session': 'DELETE',
    '/v1/session/jwt': 'POST',
    '/v1/session/refresh': 'POST',
    '/v1/session/verify': 'GET, HEAD',
    '/v1/sessions': 'GET, HEAD, DELETE',
    '/v1/sessions/:id': 'DELETE',
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
    '/.well-known/jwks.json': 'GET, HEAD',
    '/.well-known/oauth-authorization-server': 'GET, HEAD',
    '/docs': 'GET, HEAD',
    '/openapi.json': 'GET, HEAD',
  };
  const addressOf = (route: string) => route.replace(':id', NO_ID).replace(':code', 'not_found');
  const withHead = Object.keys(allow).filter((route) => allow[route]?.includes('HEAD'));

  it('are all listed in this spec', () => {
    const { knownRoutes } = api.nest.getHttpAdapter().getInstance();
    const { routes } = knownRoutes as unknown as { routes: { path: string }[] };
    const known = new Set(routes.map(({ path }) => path));
    const swaggerUi = [...known].filter((path) => path.startsWith('/docs/'));
    expect([...known].sort()).toEqual([...Object.keys(allow), ...swaggerUi].sort());
  });

  it.each(Object.keys(allow))('%s answers other methods with 405 and its allowed methods', async (route) => {
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

  it.each(withHead)('%s answers HEAD like GET, without a body', async (route) => {
    const asked = { 'x-request-id': 'the-same' };
    const [whole, head] = [
      await client.send('GET', addressOf(route), undefined, asked),
      await client.send('HEAD', addressOf(route), undefined, asked),
    ];
    expect(head.status).toBe(whole.status);
    expect(head.body).toBe('');
    // The date, the metrics and the connection differ.
    const comparable = ({ headers }: Answer) =>
      [...headers].filter(([name]) => !['date', 'content-length', 'connection', 'keep-alive'].includes(name));
    expect(comparable(head)).toEqual(comparable(whole));
  });

  it.each([
    ['text/plain', 'x'],
    ['application/x-www-form-urlencoded', 'token=x'],
    ['application/json', '{'],
    ['application/json', 'x'.repeat(20_000)],
  ])('that do not exist answer 404 to a body of %s', async (type, body) => {
    const answer = await client.send('POST', '/nope', body, { 'content-type': type });
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
  });

  it('lead from / to Swagger UI, also under a prefix', async () => {
    const { status, headers } = await client.get('/');
    expect([status, headers.get('location')]).toEqual([303, 'docs']);
    expect((await client.get('/docs')).body).toContain('swagger-ui');
  });

  it.each(
    labelled([
      '/./signup/.',
      '/Signup',
      '/SIGNUP',
      '/signup%2F',
      '/signup%00',
      '/signup;a=b',
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
  )('do not match the inexact path %s', async (_, address) => {
    const { status, body } = await sendRawOnce(client, rawGet(address));
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  it.each(['/protected/', '//protected', '///protected//', '/protected/?a=b', '/protected//#a'])(
    'match %s, as the Go server did, and still require a bearer',
    async (address) => {
      expect((await sendRawOnce(client, rawGet(address))).body.code).toBe('unauthenticated');
      expect((await sendRawOnce(client, rawGet(address, `Authorization: Bearer ${token}`))).status).toBe(200);
    },
  );

  it.each(labelled(['/%', '/%zz', '/v1/verifications/%E0%A4%A', `/v1/verifications/${'a'.repeat(2_000)}`]))(
    'reject the malformed path %s',
    async (_, address) => {
      const { status, body } = await sendRawOnce(client, rawGet(address));
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    },
  );

  it.each(['/%70rotected', '/protected?a=%zz', '/protected#a', 'http://elsewhere/protected'])(
    'match %s, which spells the path differently, and still require a bearer',
    async (address) => {
      expect((await sendRawOnce(client, rawGet(address))).body.code).toBe('unauthenticated');
      expect((await sendRawOnce(client, rawGet(address, `Authorization: Bearer ${token}`))).status).toBe(200);
    },
  );

  it.each(['/openapi.json', '/docs', '/docs/swagger-ui.css'])('answer a known %s with 304', async (path) => {
    const { status, headers } = await client.get(path);
    expect(status).toBe(200);
    const known = { 'if-none-match': headers.get('etag') as string };
    expect((await client.get(path, known)).status).toBe(304);
  });

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    'reject the member %s in a body and in a query with a pointer',
    async (name) => {
      const errors = [{ pointer: `/${name}`, detail: 'is not known here' }];
      const body = `{"phone_number":"${someNumber()}","${name}":1}`;
      const inBody = await client.send('POST', '/signup', body, JSON_TYPE);
      const inQuery = await client.get(`/v1/verifications/${NO_ID}?${name}=1`);
      for (const answer of [inBody, inQuery]) expect(answer).toMatchObject({ status: 400, body: { errors } });
    },
  );

  it('count no more than ten waits of one client, and answer further ones at once', async () => {
    const paths = await Promise.all(times(4, async () => (await openVerification(api)).path));
    // A delivery that changes would answer the requests that wait for its verification.
    await Promise.all(paths.map((path) => deliveredAs(client, path, 'delivered')));
    let answered = 0;
    const waits = times(16, async (i) => {
      const { status } = await client.get(`${paths[i % 4]}?wait=20`);
      answered += 1;
      return status;
    });
    await waitFor('the answers', () => answered === 6);
    await Promise.all(paths.map((path) => client.delete(path)));
    expect(await Promise.all(waits)).toEqual(times(16, () => 200));
  });
});

describe('Every response', () => {
  const answers: Record<string, () => Promise<Answer>> = {
    'of the liveness check': () => client.get('/health/live'),
    'of the readiness check': () => client.get('/health/ready'),
    'with metrics': () => client.get('/metrics'),
    'with the inbox page': () => client.get('/dev/inbox'),
    'with Swagger UI': () => client.get('/docs'),
    'with the OpenAPI document': () => client.get('/openapi.json'),
    'to a sign-up': () => client.post('/signup', { phone_number: someNumber() }),
    'to a valid bearer': () => client.as(token).get('/protected'),
    'to a missing bearer': () => client.get('/protected'),
    'with a new verification': () => client.post('/v1/verifications', { phone_number: someNumber() }),
    'without a body': async () => client.delete((await openVerification(api)).path),
    'to an unknown path': () => client.get('/nowhere'),
    'to an unknown method': () => client.get('/signup'),
    'to an invalid body': () => client.post('/signup', {}),
    'to a body that is not JSON': () => client.send('POST', '/signup', '{', JSON_TYPE),
    'to a body that is too large': () => client.post('/signup', { name: 'a'.repeat(16_384) }),
    'to a body of another type': () =>
      client.send('POST', '/signup', 'a=b', { 'content-type': 'text/plain' }),
    'to a malformed path': () => sendRawOnce(client, rawGet('/%')),
    'to a malformed request': () => sendRawOnce(client, 'GET\r\n\r\n'),
    'to too many headers': () => sendRawOnce(client, rawGet('/health/live', `X-Bomb: ${'a'.repeat(16_384)}`)),
    'to a request that meets an unexpected error': () =>
      whileMissing(api.database, 'verifications', () => client.get(`/v1/verifications/${NO_ID}`)),
  };

  it.each(Object.keys(answers))(
    '%s carries a request id and forbids caching and type sniffing',
    async (which) => {
      const { headers } = await (answers[which] as () => Promise<Answer>)();
      expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
      expect(headers.get('cache-control')).toBe('no-store');
      // Of a malformed request no header is known.
      expect(headers.get('vary')).toMatch(/^Authorization(, Origin)?$/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    },
  );

  it.each(['a', 'A.b_c~d-9', 'a'.repeat(64)])('keeps the valid X-Request-Id %s', async (id) => {
    for (const path of ['/health/live', '/nowhere', '/%', '/signup']) {
      const { headers, body } = await client.get(path, { 'x-request-id': id });
      expect(headers.get('x-request-id')).toBe(id);
      if (body.code) expect(body.instance).toBe(id);
    }
  });

  it.each(['', 'a'.repeat(65), 'a b', 'a,b', '"a"', '<a>', '../a', 'a\tb', 'é', '{}', '%0a', 'a=b'])(
    'replaces the invalid X-Request-Id %j',
    async (id) => {
      for (const path of ['/health/live', '/nowhere', '/%']) {
        const { headers } = await client.get(path, { 'x-request-id': id });
        expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      }
    },
  );
});

it('Metrics label requests with the pattern of their route', async () => {
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
