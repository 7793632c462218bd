import { createHash } from 'node:crypto';
import { AuthService, SessionService } from '#auth';
import { PROBLEMS, type ProblemCode } from '#errors';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { whileLocked, whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, rawPost, sendRawOnce } from '../support/raw-http.js';
import { UNREACHABLE_TWILIO, USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { openVerification, signIn, wrongCode } from '../support/verifications.js';

const PUBLIC_URL = 'https://sign-in.example';
const REALM = 'Bearer realm="latchkey"';
const INVALID_TOKEN = `${REALM}, error="invalid_token"`;
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

let api: RunningApi;
let strict: RunningApi;
let reporting: RunningApi;
let client: Client;
let token: string;
/** The answer to a request that never completes. It takes ten seconds, so the request starts before the tests. */
let timedOut: Promise<Answer>;

beforeAll(async () => {
  api = await startApi(POSTGRES_ALONE, {
    ...{ PUBLIC_URL, SESSION_COOKIE: 'on', RECYCLED_NUMBERS: 'refuse' },
    ...USUAL_DATABASE_TIMEOUT,
  });
  client = api.client;
  timedOut = sendRawOnce(client, rawPost('/v1/verifications', { 'Content-Length': 2 }, '{'));
  token = await signIn(api);
  strict = await startApi(POSTGRES_ALONE, {
    PUBLIC_URL,
    BREAKER_MODE: 'enforce',
    SPEND_CAP_PER_COUNTRY: '0.1',
  });
  reporting = await startApi(POSTGRES_ALONE, { PUBLIC_URL, ...UNREACHABLE_TWILIO });
});
afterAll(() => Promise.all([api.stop(), strict.stop(), reporting.stop()]));
afterEach(() => jest.restoreAllMocks());

describe('Problem responses', () => {
  interface Occurrence {
    readonly answer: () => Promise<Answer>;
    readonly extensions?: object;
    readonly headers?: Record<string, string>;
  }

  /** A request for each row of the table of problems, but `invalid_client`: see oauth.spec. */
  const occurrences: Record<Exclude<ProblemCode, 'invalid_client'>, Occurrence> = {
    invalid_request: {
      answer: () => client.post('/v1/verifications', {}),
      extensions: { errors: [{ pointer: '/phone_number', detail: expect.stringContaining('must be') }] },
    },
    unauthenticated: {
      answer: () => client.get('/v1/me'),
      headers: { 'www-authenticate': REALM },
    },
    invalid_token: {
      answer: () => client.as('malformed').get('/v1/me'),
      headers: { 'www-authenticate': INVALID_TOKEN },
    },
    code_rejected: {
      answer: async () => {
        const { path, code } = await openVerification(api);
        return client.post(`${path}/check`, { code: wrongCode(code) });
      },
      extensions: { attempts_left: 4 },
    },
    proof_of_work_required: {
      answer: async () => {
        // The fifth message to an address that has not used any code yet needs a proof of work.
        const ask = () => strict.client.post('/v1/verifications', { phone_number: someNumber() });
        for (let i = 0; i < 4; i += 1) await ask();
        return ask();
      },
      extensions: { challenge: { parameters: expect.any(Object), signature: expect.any(String) } },
    },
    recent_sign_in_required: {
      answer: async () => {
        const old = await signIn(api);
        await api.database.query(`update sessions set created_at = now() - interval '1 hour'`);
        return client.as(old).delete('/v1/me');
      },
    },
    number_recycled: {
      answer: async () => {
        const { id, path, code } = await openVerification(api);
        await api.database.query(
          `insert into users (id, phone_index, phone_sealed, last_used_at)
           select gen_random_uuid(), phone_index, phone_sealed, now() - interval '1 year' from verifications where id = $1`,
          [id],
        );
        return client.post(`${path}/check`, { code });
      },
    },
    image_rejected: {
      answer: () =>
        client.as(token).send('PUT', '/v1/me/avatar', 'no image', { 'content-type': 'image/png' }),
    },
    insufficient_scope: {
      answer: async () => {
        const other = await signIn(api);
        await api.database.query(`update tokens set scope = 'other' where hash = sha256($1)`, [other]);
        return client.as(other).get('/v1/me');
      },
      headers: { 'www-authenticate': `${REALM}, error="insufficient_scope", scope="authentication"` },
    },
    cross_site_request: {
      answer: () =>
        client.send('DELETE', '/v1/session', undefined, {
          cookie: `__Host-latchkey_session=${token}`,
          origin: 'https://evil.example',
        }),
    },
    version_conflict: {
      answer: () =>
        client.as(token).send('PATCH', '/v1/me', '{"name":"Ada","version":99}', {
          'content-type': 'application/json',
        }),
    },
    invalid_signature: {
      answer: () =>
        reporting.client.send('POST', '/v1/webhooks/twilio', 'MessageStatus=delivered', {
          'content-type': 'application/x-www-form-urlencoded',
        }),
    },
    not_found: { answer: () => client.get('/v1/verifications/unknown') },
    method_not_allowed: {
      answer: () => client.delete('/v1/verifications'),
      headers: { allow: 'POST' },
    },
    request_timeout: { answer: () => timedOut },
    verification_closed: {
      answer: async () => {
        const { path } = await openVerification(api);
        await client.delete(path);
        return client.delete(path);
      },
      extensions: { verification_status: 'canceled' },
    },
    payload_too_large: { answer: () => client.post('/v1/verifications', { name: 'a'.repeat(16_384) }) },
    unsupported_media_type: {
      answer: () => client.send('POST', '/v1/verifications', '{}', { 'content-type': 'text/plain' }),
    },
    misdirected_request: { answer: () => client.get('/dev/inbox', { host: 'evil.example' }) },
    phone_number_not_allowed: {
      answer: () => client.post('/v1/verifications', { phone_number: '+442079460958' }),
    },
    sends_suspended: {
      // A message to this country costs more than the daily cap.
      answer: () => strict.client.post('/v1/verifications', { phone_number: '+923012345678' }),
      extensions: { retry_after: expect.any(Number) },
      headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    },
    rate_limited: {
      answer: async () => {
        const { path } = await openVerification(api);
        return client.post(`${path}/resend`);
      },
      extensions: { limit: 'cool_down', retry_after: expect.any(Number) },
      headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    },
    headers_too_large: {
      answer: () => sendRawOnce(client, rawGet('/health/live', `X-Bomb: ${'a'.repeat(16_384)}`)),
    },
    internal_error: {
      answer: () => whileMissing(api.database, 'users', () => client.as(token).get('/v1/me')),
    },
    unavailable: {
      answer: () => whileLocked(api.database, 'users', () => client.as(token).get('/v1/me')),
      headers: { 'retry-after': '2' },
    },
  };
  const codes = Object.keys(PROBLEMS) as ProblemCode[];

  it.each(Object.keys(occurrences) as (keyof typeof occurrences)[])(
    '%s has the members of RFC 9457, of the table of problems and of its own',
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

  it('have an explanation at their type URL and in one list', async () => {
    const explained = codes.map((code) => ({ code, ...PROBLEMS[code] }));
    expect((await client.get('/problems')).body).toEqual(explained);
    for (const explanation of explained) {
      const { status, body } = await client.get(`/problems/${explanation.code}`);
      expect(status).toBe(200);
      expect(body).toEqual(explanation);
    }
  });

  it.each([
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html; charset=utf-8'],
    ['application/json, text/html;q=0.9', 'application/json; charset=utf-8'],
    ['application/problem+json', 'application/json; charset=utf-8'],
    ['text/html;q=0, */*', 'application/json; charset=utf-8'],
    ['*/*', 'application/json; charset=utf-8'],
    ['', 'application/json; charset=utf-8'],
    ['a/b;q=,;;', 'application/json; charset=utf-8'],
  ])('have an explanation for clients that accept %j as %s', async (accept, type) => {
    for (const path of ['/problems', '/problems/not_found']) {
      const { status, headers } = await client.get(path, { accept });
      expect([status, headers.get('content-type')]).toEqual([200, type]);
      expect(headers.get('vary')).toBe('Authorization, Origin, Accept');
    }
  });

  it('have a page for browsers, escaped and without scripts', async () => {
    const read = (path: string) => client.get(path, { accept: 'text/html' });
    const { body: list } = await read('/problems');
    for (const code of codes) {
      const { body: page, headers } = await read(`/problems/${code}`);
      expect(page).toContain(`<h1>${PROBLEMS[code].title}</h1>`);
      expect(list).toContain(`<a href="problems/${code}">${PROBLEMS[code].title}</a>`);
      expect(page).not.toMatch(/`|{{|<script/);
      const [, style] = /<style>([\s\S]*)<\/style>/.exec(page) as RegExpExecArray;
      const hash = createHash('sha256')
        .update(style as string)
        .digest('base64');
      expect(headers.get('content-security-policy')).toContain(
        `default-src 'none'; style-src 'sha256-${hash}'`,
      );
    }
    expect((await read('/problems/unauthenticated')).body).toContain(
      '<code>Authorization: Bearer &lt;token&gt;</code>',
    );
  });

  it.each(['nope', 'constructor', '__proto__', 'Not_Found'])(
    'have no explanation for the unknown code %s',
    async (code) => {
      expect((await client.get(`/problems/${code}`)).body).toMatchObject({ status: 404, code: 'not_found' });
    },
  );
});

describe('Unexpected errors', () => {
  const auth = () => api.nest.get(AuthService);
  const sessions = () => api.nest.get(SessionService);
  const vault = 'the combination of the vault';
  const faults: Record<string, () => Promise<Answer>> = {
    'a missing table': () =>
      whileMissing(api.database, 'verifications', () => client.get(`/v1/verifications/${NO_ID}`)),
    'a missing table in a transaction': async () => {
      const { path, code } = await openVerification(api);
      return whileMissing(api.database, 'tokens', () => client.post(`${path}/check`, { code }));
    },
    'a handler that rejects': () => {
      jest.spyOn(auth(), 'verification').mockRejectedValue(new Error(vault));
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'a handler that throws synchronously': () => {
      jest.spyOn(auth(), 'verification').mockImplementation(() => {
        throw new TypeError(vault);
      });
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'an error with a status of its own': () => {
      jest
        .spyOn(auth(), 'verification')
        .mockRejectedValue(Object.assign(new Error(vault), { statusCode: 200 }));
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'a rejection with a string': () => {
      jest.spyOn(auth(), 'verification').mockRejectedValue(vault);
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'a rejection with nothing': () => {
      jest.spyOn(auth(), 'verification').mockRejectedValue(undefined);
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'a rejection with an object without a prototype': () => {
      jest.spyOn(auth(), 'verification').mockRejectedValue(Object.create(null));
      return client.get(`/v1/verifications/${NO_ID}`);
    },
    'a guard that rejects': () => {
      jest.spyOn(sessions(), 'authenticate').mockRejectedValue(new RangeError(vault));
      return client.as(token).get('/v1/me');
    },
    'a response that JSON cannot represent': () => {
      jest.spyOn(sessions(), 'authenticate').mockResolvedValue({ user: { version: 1n } } as never);
      return client.as(token).get('/v1/me');
    },
  };

  it.each(Object.keys(faults))(
    '%s becomes an internal_error without details, and the process keeps running',
    async (fault) => {
      const { status, headers, body } = await (faults[fault] as () => Promise<Answer>)();
      expect(status).toBe(500);
      expect(body).toEqual({
        type: `${PUBLIC_URL}/problems/internal_error`,
        title: PROBLEMS.internal_error.title,
        status: 500,
        detail: 'unexpected error; quote the request id to the operator',
        instance: headers.get('x-request-id'),
        code: 'internal_error',
      });
      expect([...headers.values()].join()).not.toContain(vault);
      jest.restoreAllMocks();
      await signIn(api);
    },
  );

  it('do not use up the code', async () => {
    const { path, code } = await openVerification(api);
    await whileMissing(api.database, 'tokens', () => client.post(`${path}/check`, { code }));
    expect((await client.post(`${path}/check`, { code })).status).toBe(200);
  });
});
