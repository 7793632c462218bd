import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { AbuseApi, NO_COOL_DOWN } from '../support/abuse-api.js';
import { type RunningApi, startApi } from '../support/api.js';
import { type Browser, findChromium, openBrowser } from '../support/browser.js';
import type { Answer } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, sendRawOnce } from '../support/raw-http.js';
import { times } from '../support/repeat.js';
import { CLIENTS_FILE, OPERATOR_TOKEN } from '../support/settings.js';
import { openSession, openVerification } from '../support/verifications.js';

const PAGE = 'https://app.example.com';
const FROM_PAGE = { origin: PAGE };
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const EXPOSED = 'Retry-After, Location, ETag, X-Request-Id, WWW-Authenticate';

/** Returns the CORS headers of an answer. */
const corsOf = ({ headers }: Answer) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));

describe('Answers to pages of other origins', () => {
  let api: RunningApi;
  beforeAll(async () => {
    const ALLOWED_ORIGINS = `${PAGE}, https://*.example.net`;
    api = await startApi(POSTGRES_ALONE, { ALLOWED_ORIGINS, OPERATOR_TOKEN, CLIENTS_FILE });
  });
  afterAll(() => api.stop());

  const post = (path: string, body: unknown, headers = {}) =>
    api.client.post(path, body, { ...FROM_PAGE, ...headers });
  const preflight = (path: string, method: string, origin = PAGE) =>
    api.client.send('OPTIONS', path, undefined, { origin, 'access-control-request-method': method });

  const answers: Record<string, [status: number, ask: () => Promise<Answer>]> = {
    'a new verification': [202, () => post('/v1/verifications', { phone_number: someNumber() })],
    'a request that is too soon': [
      429,
      async () => {
        const phone_number = someNumber();
        await post('/v1/verifications', { phone_number });
        return post('/v1/verifications', { phone_number });
      },
    ],
    'a wrong code': [401, async () => post(`${(await openVerification(api)).path}/check`, { code: 'wrong' })],
    'a missing token': [401, () => api.client.get('/protected', FROM_PAGE)],
    'an unknown path': [404, () => api.client.get('/v1/nowhere', FROM_PAGE)],
    'an unknown method': [405, () => api.client.get('/v1/verifications', FROM_PAGE)],
    'a method without a preflight request': [
      405,
      () => api.client.send('OPTIONS', '/v1/verifications', undefined, FROM_PAGE),
    ],
    'an invalid body': [400, () => post('/v1/verifications', {})],
    'a body that is too large': [413, () => post('/v1/verifications', { name: 'a'.repeat(16_384) })],
    'a body of another type': [415, () => post('/v1/verifications', {}, { 'content-type': 'text/plain' })],
    'a malformed path': [400, () => sendRawOnce(api.client, rawGet('/%', `Origin: ${PAGE}`))],
    'an unexpected error': [
      500,
      () =>
        whileMissing(api.database, 'verifications', () =>
          api.client.get(`/v1/verifications/${NO_ID}`, FROM_PAGE),
        ),
    ],
  };

  it.each(Object.entries(answers))('can be read: %s', async (_, [expected, ask]) => {
    const answer = await ask();
    expect(answer.status).toBe(expected);
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': PAGE,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': EXPOSED,
    });
    expect(answer.headers.get('vary')).toBe('Authorization, Origin');
  });

  it.each(['https://evil.example', 'null', `${PAGE}.evil.example`, `${PAGE}:444`, 'https://example.net', ''])(
    'cannot be read by the origin %j',
    async (origin) => {
      for (const path of ['/protected', '/v1/nowhere']) {
        const answer = await api.client.get(path, { origin });
        expect([corsOf(answer), answer.headers.get('vary')]).toEqual([{}, 'Authorization, Origin']);
      }
      const { status, headers, body } = await preflight('/v1/verifications', 'POST', origin);
      expect([status, body.code, headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST']);
      expect(corsOf({ status, headers, body })).toEqual({});
    },
  );

  it('have no CORS headers without an Origin, and name a subdomain of a domain that is allowed', async () => {
    expect(corsOf(await api.client.get('/protected'))).toEqual({});
    const { headers } = await api.client.get('/protected', { origin: 'https://a.example.net' });
    expect(headers.get('access-control-allow-origin')).toBe('https://a.example.net');
  });

  it.each([
    ['/signup', 'POST', 'POST'],
    ['/protected', 'GET', 'GET, HEAD'],
    [`/v1/verifications/${NO_ID}?wait=1`, 'DELETE', 'GET, HEAD, DELETE'],
    [`/v1/verifications/${NO_ID}/check`, 'POST', 'POST'],
    ['/v1/me', 'PATCH', 'GET, HEAD, PATCH, DELETE'],
    ['/v1/me/avatar', 'PUT', 'PUT, DELETE'],
    ['/v1/session', 'DELETE', 'DELETE'],
    ['/v1/sessions', 'DELETE', 'GET, HEAD, DELETE'],
    ['/.well-known/jwks.json', 'GET', 'GET, HEAD'],
    ['/v1/session', 'PUT', 'DELETE'],
  ])('to a preflight request for %s with %s name the methods of the route', async (path, method, methods) => {
    const answer = await preflight(path, method);
    expect([answer.status, answer.body]).toEqual([204, '']);
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': PAGE,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': methods,
      'access-control-allow-headers':
        'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Accept-Language, X-Request-Id',
      'access-control-expose-headers': EXPOSED,
      'access-control-max-age': '600',
    });
    expect(answer.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
  });

  it('to a preflight request without a route are 404', async () => {
    const { status, body } = await preflight('/v1/nowhere', 'POST');
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  it('have no CORS headers on routes that are not for pages', async () => {
    const { knownRoutes } = api.nest.getHttpAdapter().getInstance();
    const { routes } = knownRoutes as unknown as { routes: { path: string; method: string }[] };
    const others = /^\/($|v2|v1\/(operations|webhooks)|oauth|metrics|health|dev|docs|openapi\.json)/;
    const areForPages: [path: string, isForPages: boolean][] = [];
    for (const { path, method } of routes) {
      const answer = await preflight(path.replace(/:\w+/, NO_ID), method);
      expect([method, path, answer.status]).toEqual([method, path, others.test(path) ? 405 : 204]);
      areForPages.push([path, Object.keys(corsOf(answer)).length > 0]);
    }
    expect(areForPages).toEqual(areForPages.map(([path]) => [path, !others.test(path)]));
    expect(areForPages.length).toBeGreaterThan(40);
    const unread = [
      '/metrics',
      '/%6detrics',
      '/dev/inbox/messages',
      '/v1/operations/blocks',
      '/openapi.json',
    ];
    for (const path of unread) expect(corsOf(await api.client.get(path, FROM_PAGE))).toEqual({});
    expect(corsOf(await post('/oauth/introspect', {}))).toEqual({});
    expect(corsOf(await post('/metrics', {}))).toEqual({});
  });

  it('of avatars depend on the origin, and on no token', async () => {
    const { token } = await openSession(api);
    const image = sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } });
    const { body } = await api.client
      .as(token)
      .send('PUT', '/v1/me/avatar', await image.png().toBuffer(), { 'content-type': 'image/png' });
    const { status, headers } = await api.client.get(body.avatar.small, FROM_PAGE);
    expect([status, headers.get('vary')]).toEqual([200, 'Origin']);
    expect(headers.get('access-control-allow-origin')).toBe(PAGE);
  });
});

it('In development pages of every local port can read answers, without cookies', async () => {
  const api = await startApi(POSTGRES_ALONE, { SESSION_COOKIE: 'on' });
  const { token } = await openSession(api);
  for (const origin of ['http://localhost:5173', 'http://127.0.0.1:8080']) {
    const answer = await api.client.get('/protected', { origin });
    expect(corsOf(answer)).toEqual({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED,
    });
    const cookie = `latchkey_session=${token}`;
    const change = await api.client.send('DELETE', '/v1/session', undefined, { origin, cookie });
    expect([change.status, change.body.code]).toEqual([403, 'cross_site_request']);
  }
  expect(corsOf(await api.client.get('/protected', FROM_PAGE))).toEqual({});
  await api.stop();
});

it('Without an allowed origin no answer has CORS headers', async () => {
  const allowedOrigins = { patterns: [], credentials: false };
  const api = await startApi(POSTGRES_ALONE, {}, { allowedOrigins });
  for (const origin of ['http://localhost:5173', PAGE]) {
    const answers = [
      await api.client.get('/protected', { origin }),
      await api.client.get('/problems', { origin, accept: 'text/html' }),
      await sendRawOnce(api.client, rawGet('/%', `Origin: ${origin}`)),
      await api.client.send('OPTIONS', '/signup', undefined, {
        origin,
        'access-control-request-method': 'POST',
      }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 200, 400, 405]);
    const varies = answers.map(({ headers }) => headers.get('vary'));
    expect(varies).toEqual(['Authorization', 'Authorization, Accept', 'Authorization', 'Authorization']);
    for (const answer of answers) expect(corsOf(answer)).toEqual({});
  }
  await api.stop();
});

it('A page of an allowed origin can use the session cookie, unless the browser says that it is of another site', async () => {
  const api = await startApi(POSTGRES_ALONE, { SESSION_COOKIE: 'on', ALLOWED_ORIGINS: PAGE });
  const cookie = `latchkey_session=${(await openSession(api)).token}`;
  const signOut = async (headers: Record<string, string>) =>
    (await api.client.send('DELETE', '/v1/session', undefined, { cookie, ...headers })).status;
  expect(await signOut({ ...FROM_PAGE, 'sec-fetch-site': 'cross-site' })).toBe(403);
  expect(await signOut({ origin: 'https://other.example.com' })).toBe(403);
  expect(await signOut(FROM_PAGE)).toBe(204);
  await api.stop();
});

const chromium = findChromium();
const describeInChromium = chromium ? describe : describe.skip;

/** The functions of the static page. */
declare const call: (path: string, options?: object) => Promise<PageAnswer>;
declare const solve: (challenge: object) => Promise<string>;

interface PageAnswer {
  readonly status: number;
  readonly body: Answer['body'];
  readonly headers: Record<string, string>;
}

const HTML = (api: string) => `<!doctype html><title>Shop</title><script>
async function call(path, { body, token, method = body ? 'POST' : 'GET', ...options } = {}) {
  const answer = await fetch('${api}' + path, {
    method,
    headers: {
      ...(body && { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() }),
      ...(token && { Authorization: 'Bearer ' + token }),
    },
    body: body && JSON.stringify(body),
    ...options,
  });
  const text = await answer.text();
  return { status: answer.status, body: text && JSON.parse(text), headers: Object.fromEntries(answer.headers) };
}
async function solve(challenge) {
  const { salt, nonce, keyPrefix } = challenge.parameters;
  const bytes = Uint8Array.from((salt + nonce).match(/../g), (digits) => parseInt(digits, 16));
  const input = new Uint8Array(bytes.length + 4);
  input.set(bytes);
  for (let counter = 0; ; counter += 1) {
    new DataView(input.buffer).setUint32(bytes.length, counter);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', input));
    const derivedKey = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (derivedKey.startsWith(keyPrefix)) return btoa(JSON.stringify({ challenge, solution: { counter, derivedKey } }));
  }
}
</script>`;

/** Serves a static page on a port of its own, and on none of the API's. */
class Site {
  html = '';
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Site> {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(site.html);
    });
    const site = new Site(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return site;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
  }
}

describeInChromium('A page on another port', () => {
  let site: Site;
  let otherSite: Site;
  let api: AbuseApi;
  let browser: Browser | undefined;
  let page: Page;

  beforeAll(async () => {
    [site, otherSite] = [await Site.start(), await Site.start()];
    browser = await openBrowser(chromium as string);
  });
  beforeEach(async () => {
    const variables = { ALLOWED_ORIGINS: site.origin, SESSION_COOKIE: 'on', ...NO_COOL_DOWN };
    api = await AbuseApi.start(POSTGRES_ALONE, variables);
    site.html = otherSite.html = HTML(api.client.url);
    page = await (browser as Browser).context.newPage();
    await page.goto(site.origin);
  });
  afterEach(async () => {
    await page.close();
    await (browser as Browser).context.clearCookies();
    await api.stop();
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([site, otherSite].map((each) => each.stop()));
  });

  /** Calls the API from the page. */
  const callFrom = (from: Page, path: string, options = {}) =>
    from.evaluate(([path, options]) => call(path, options), [path, options] as const);
  const request = (phone_number: string, more = {}, options = {}) =>
    callFrom(page, '/v1/verifications', { body: { phone_number, ...more }, ...options });
  const signIn = async (phone_number: string, options = {}): Promise<PageAnswer> => {
    const { body } = await request(phone_number, {}, options);
    const code = await api.codeFor(phone_number);
    return callFrom(page, `/v1/verifications/${body.id}/check`, { body: { code }, ...options });
  };
  /** Requests so many codes without using one that the address has to show a proof of work. */
  const spendAddress = async () => {
    for (const number of times(12, () => someNumber()))
      await api.client.post('/v1/verifications', { phone_number: number });
  };

  it('signs in, reads the headers that it needs, and changes its user', async () => {
    const phone_number = someNumber();
    const requested = await request(phone_number);
    expect(requested.status).toBe(202);
    expect(requested.headers).toMatchObject({
      location: `/v1/verifications/${requested.body.id}`,
      etag: expect.any(String),
      'x-request-id': expect.any(String),
    });
    const { body } = await callFrom(page, `/v1/verifications/${requested.body.id}/check`, {
      body: { code: await api.codeFor(phone_number) },
    });
    const { token } = body;
    expect((await callFrom(page, '/protected', { token })).body.user.phone_number).toBe(phone_number);
    const changed = await callFrom(page, '/v1/me', { method: 'PATCH', body: { name: 'Ada' }, token });
    expect(changed.body.name).toBe('Ada');
    const rejected = await callFrom(page, '/protected', { token: 'A'.repeat(26) });
    expect([rejected.status, rejected.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('invalid_token'),
    ]);
  });

  it('signs in with a proof of work', async () => {
    await spendAddress();
    const phone_number = someNumber();
    const { status, body } = await request(phone_number);
    expect([status, body.code]).toEqual([403, 'proof_of_work_required']);
    const altcha = await page.evaluate((challenge) => solve(challenge), body.challenge);
    const requested = await request(phone_number, { altcha });
    expect(requested.status).toBe(202);
    const { body: session } = await callFrom(page, `/v1/verifications/${requested.body.id}/check`, {
      body: { code: await api.codeFor(phone_number) },
    });
    expect(session).toMatchObject({ token_type: 'Bearer', user: { phone_number } });
  });

  it('is a known device by its cookie, and after the loss of the cookie by its device token', async () => {
    const phone_number = someNumber();
    const withCookies = { credentials: 'include' };
    const { body } = await signIn(phone_number, withCookies);
    const names = async () => (await (browser as Browser).context.cookies()).map(({ name }) => name);
    expect(await names()).toContain('latchkey_device');
    await spendAddress();
    expect((await request(phone_number, {}, withCookies)).status).toBe(202);
    await (browser as Browser).context.clearCookies();
    expect((await request(phone_number, {}, withCookies)).body.code).toBe('proof_of_work_required');
    expect((await request(phone_number, { device_token: body.device_token })).status).toBe(202);
  });

  it('uses the session cookie', async () => {
    const withCookies = { credentials: 'include' };
    await signIn(someNumber(), withCookies);
    expect((await callFrom(page, '/protected', withCookies)).status).toBe(200);
    expect((await callFrom(page, '/protected')).status).toBe(401);
    expect((await callFrom(page, '/v1/session', { method: 'DELETE', ...withCookies })).status).toBe(204);
    expect((await callFrom(page, '/protected', withCookies)).status).toBe(401);
  });

  it('cannot read an answer from a third origin, with or without the cookie of the user', async () => {
    await signIn(someNumber(), { credentials: 'include' });
    const third = await (browser as Browser).context.newPage();
    await third.goto(otherSite.origin);
    const phone_number = someNumber();
    const attempts = [
      ['/protected', {}],
      ['/protected', { credentials: 'include' }],
      ['/v1/nowhere', {}],
      ['/v1/verifications', { body: { phone_number } }],
      ['/v1/session', { method: 'DELETE', credentials: 'include' }],
    ] as const;
    for (const [path, options] of attempts)
      await expect(callFrom(third, path, options)).rejects.toThrow('Failed to fetch');
    await third.close();
    expect((await callFrom(page, '/protected', { credentials: 'include' })).status).toBe(200);
    expect((await request(phone_number)).status).toBe(202);
  });
});
