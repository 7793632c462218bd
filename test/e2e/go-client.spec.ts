import { PROBLEMS, type ProblemCode } from '#errors';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes, POSTGRES_ALONE } from '../support/databases.js';
import { decodeGo } from '../support/go-json.js';
import { whileLocked, whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, rawPost, sendRawOnce } from '../support/raw-http.js';
import { USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { wrongCode } from '../support/verifications.js';

/** The structs of a client that was written for the Go server. */
const USER = {
  id: 'int64',
  created_at: 'time.Time',
  name: 'string',
  phone_number: 'string',
  version: 'int',
} as const;
const CODE_SENT = { success: 'bool', message: 'string' } as const;
const SIGNED_UP = { ...CODE_SENT, data: USER, token: 'string' } as const;
const PROTECTED = { message: 'string', data: USER } as const;
const FAILURE = { error: 'string' } as const;

/** The body of the client: a struct whose members are always marshalled. */
const signUpOf = (phone_number: string, { otp = '', name = '' } = {}) => ({ phone_number, name, otp });

const VARIABLES = { DEFAULT_REGION: 'US', SIGNUP_NUMERIC_IDS: 'on', LIMIT_COOL_DOWN: '1h' };
const JSON_TYPE = { 'content-type': 'application/json' };

describe.each(modes)('A client of the Go server on $name', (mode) => {
  let api: RunningApi;
  beforeAll(async () => {
    api = await startApi(mode, VARIABLES);
  });
  afterAll(() => api.stop());

  async function signUp(path = '/signup', name = '') {
    const phone_number = someNumber();
    // As people in the region write it.
    const national = phone_number.slice(2);
    const asked = await api.client.post(path, signUpOf(national, { name }));
    expect([asked.status, decodeGo(asked.body, CODE_SENT)]).toEqual([
      200,
      { success: true, message: 'OTP sent successfully' },
    ]);
    const otp = await api.codeFor(phone_number);
    const { status, body } = await api.client.post(path, signUpOf(national, { otp }));
    return { phone_number, status, body: decodeGo(body, SIGNED_UP) };
  }

  it.each(['/signup', '/signup/', '//signup'])('signs up at %s and reads its user', async (path) => {
    const { phone_number, status, body } = await signUp(path, 'Ada');
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: true, message: 'User registered successfully' });
    expect(body.data).toMatchObject({ name: 'Ada', phone_number, version: 1 });
    expect(body.data.id).toBeGreaterThan(0);
    const own = await api.database.query('select id from users where legacy_id = $1', [body.data.id]);
    expect(own).toHaveLength(1);
    expect(body.token).toMatch(/^[A-Z2-7]{26}$/);

    // The second answer is read from the cache, where there is one.
    for (const path of ['/protected', '/protected/', '//protected']) {
      const { status, body: answer } = await api.client.as(body.token).get(path);
      expect([status, decodeGo(answer, PROTECTED).data]).toEqual([200, body.data]);
    }
  });

  it('reads a user without a name as an empty one', async () => {
    const { body } = await signUp();
    expect(body.data.name).toBe('');
  });

  it('gets the same user from a repeated answer', async () => {
    const phone_number = someNumber();
    await api.client.post('/signup', signUpOf(phone_number));
    const sent = signUpOf(phone_number, { otp: await api.codeFor(phone_number) });
    const post = () => api.client.post('/signup', sent, { 'idempotency-key': phone_number.slice(1) });
    const [first, second] = [await post(), await post()];
    expect(decodeGo(second.body, SIGNED_UP)).toEqual(decodeGo(first.body, SIGNED_UP));
  });

  it('keeps the UUID on all other routes', async () => {
    const { body } = await signUp();
    const client = api.client.as(body.token);
    const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/);
    expect((await client.get('/v1/me')).body.id).toEqual(uuid);
    expect((await client.get('/protected')).body.user.id).toEqual(uuid);
    expect((await client.get('/v1/me/export')).body.user.id).toEqual(uuid);
  });
});

describe('A cached session', () => {
  const [redis] = modes.filter((mode) => mode.redis);
  const maybe = redis ? it : it.skip;

  maybe('of a version without numeric ids is read again', async () => {
    const api = await startApi(redis as typeof POSTGRES_ALONE, VARIABLES);
    const phone_number = someNumber();
    await api.client.post('/signup', signUpOf(phone_number));
    const { body } = await api.client.post(
      '/signup',
      signUpOf(phone_number, { otp: await api.codeFor(phone_number) }),
    );
    const client = api.client.as(body.token);
    await client.get('/protected');
    const { Redis } = await import('ioredis');
    const store = new Redis(api.config.redisUrl as string);
    const [key] = (await store.keys('latchkey:session:*')) as [string];
    const { legacy_id: _, ...older } = JSON.parse((await store.get(key)) as string);
    await store.set(key, JSON.stringify(older), 'PX', 60_000);
    store.disconnect();
    const { status, body: answer } = await client.get('/protected');
    await api.stop();
    expect([status, answer.data]).toEqual([200, body.data]);
  });
});

describe('By default', () => {
  let api: RunningApi;
  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE);
  });
  afterAll(() => api.stop());

  it('the id of a user is a UUID, and the same one everywhere', async () => {
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const otp = await api.codeFor(phone_number);
    const { body } = await api.client.post('/signup', { phone_number, otp });
    expect(body.data.id).toMatch(/^[0-9a-f-]{36}$/);
    const { user, data } = (await api.client.as(body.token).get('/protected')).body;
    expect([user.id, data.id]).toEqual([body.data.id, body.data.id]);
  });

  it('an empty name is not accepted elsewhere', async () => {
    const { status, body } = await api.client.post('/v1/verifications', {
      phone_number: someNumber(),
      name: '',
    });
    expect([status, body.errors[0].pointer]).toEqual([400, '/name']);
  });
});

describe('Every error of a route of the Go server', () => {
  let api: RunningApi;
  let token: string;
  let timedOut: Promise<Answer>;
  const post = (body: unknown, headers = {}) => api.client.post('/signup', body, headers);

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE, {
      ...VARIABLES,
      ...USUAL_DATABASE_TIMEOUT,
      ALLOWED_COUNTRIES: 'US',
    });
    timedOut = sendRawOnce(api.client, rawPost('/signup/', { 'Content-Length': 9 }, '{'));
    const phone_number = someNumber();
    await post({ phone_number });
    token = (await post({ phone_number, otp: await api.codeFor(phone_number) })).body.token;
  });
  afterAll(() => api.stop());

  const PAYLOAD = 'Invalid request payload';
  const REQUIRED = 'Phone number is required';
  const cases: [what: string, answer: () => Promise<Answer>, code: ProblemCode, error?: string][] = [
    ['a wrong code', () => wrongCodeSent(), 'code_rejected', 'Invalid or expired OTP'],
    [
      'an unknown code',
      () => post(signUpOf(someNumber(), { otp: '123456' })),
      'code_rejected',
      'Invalid or expired OTP',
    ],
    ['a missing number', () => post({}), 'invalid_request', REQUIRED],
    ['an empty number', () => post(signUpOf('')), 'invalid_request', REQUIRED],
    ['half a body', () => api.client.send('POST', '/signup', '{', JSON_TYPE), 'invalid_request', PAYLOAD],
    ['a list', () => post([]), 'invalid_request', PAYLOAD],
    ['no body', () => api.client.send('POST', '/signup', '', JSON_TYPE), 'invalid_request', PAYLOAD],
    ['a number that is not text', () => post({ phone_number: 1 }), 'invalid_request', PAYLOAD],
    ['a number that is not valid', () => post(signUpOf('12')), 'invalid_request'],
    ['an unknown member', () => post({ phone_number: someNumber(), x: 1 }), 'invalid_request'],
    ['a member that every object has', () => post('{"__proto__":1}'), 'invalid_request', PAYLOAD],
    [
      'a bad Idempotency-Key',
      () => post(signUpOf(someNumber()), { 'idempotency-key': 'a b' }),
      'invalid_request',
    ],
    ['a bad bearer', () => post(signUpOf(someNumber()), { authorization: 'Bearer AAAA' }), 'invalid_token'],
    ['a country that is not served', () => post(signUpOf('+4915123456789')), 'phone_number_not_allowed'],
    ['the cool-down', () => coolingDown(), 'rate_limited'],
    ['a large body', () => post({ name: 'a'.repeat(16_384) }), 'payload_too_large'],
    [
      'a large body with slashes',
      () => api.client.post('//signup/', { name: 'a'.repeat(16_384) }),
      'payload_too_large',
    ],
    [
      'a form',
      () => api.client.send('POST', '/signup', 'a=b', { 'content-type': 'text/plain' }),
      'unsupported_media_type',
    ],
    ['another method', () => api.client.get('/signup'), 'method_not_allowed'],
    ['another method with slashes', () => api.client.delete('//signup/?a=b'), 'method_not_allowed'],
    ['another method, escaped', () => api.client.get('/%73ignup'), 'method_not_allowed'],
    ['a missing Host', () => raw(rawPost('/signup', {}), 'X-Host: none'), 'invalid_request'],
    ['a bad Host', () => raw(rawPost('/signup', {}), 'Host: a/b'), 'invalid_request'],
    ['a body that does not arrive', () => timedOut, 'request_timeout'],
    [
      'a missing table',
      () => whileMissing(api.database, 'verifications', () => post(signUpOf(someNumber()))),
      'internal_error',
    ],
    [
      'a locked table',
      () => whileLocked(api.database, 'verifications', () => post(signUpOf(someNumber()))),
      'unavailable',
    ],
    ['no token', () => api.client.get('/protected'), 'unauthenticated', 'Unauthorized'],
    ['no token with slashes', () => api.client.get('//protected/'), 'unauthenticated', 'Unauthorized'],
    [
      'an unknown token',
      () => api.client.as('A'.repeat(26)).get('/protected'),
      'invalid_token',
      'Unauthorized',
    ],
    [
      'a malformed token',
      () => api.client.as('malformed').get('/protected'),
      'invalid_token',
      'Unauthorized',
    ],
    [
      'two tokens',
      () => api.client.as('a b').get('/protected'),
      'invalid_token',
      'Invalid authorization header',
    ],
    ['another scheme', () => authorized('Basic YTpi'), 'unauthenticated', 'Invalid authorization header'],
    ['a scheme alone', () => authorized('Bearer'), 'invalid_token', 'Invalid authorization header'],
    ['a POST of the protected route', () => api.client.post('/protected', {}), 'method_not_allowed'],
    ['a bad Host of the protected route', () => raw(rawGet('/protected'), 'Host: a/b'), 'invalid_request'],
    [
      'a missing table of the protected route',
      () => whileMissing(api.database, 'users', () => api.client.as(token).get('/protected')),
      'internal_error',
    ],
    [
      'a locked table of the protected route',
      () => whileLocked(api.database, 'users', () => api.client.as(token).get('/protected')),
      'unavailable',
    ],
  ];

  const raw = (request: string, host: string) =>
    sendRawOnce(api.client, request.replace('Host: latchkey', host));
  const authorized = (authorization: string) => api.client.get('/protected', { authorization });
  const coolingDown = async () => {
    const phone_number = someNumber();
    await post(signUpOf(phone_number));
    return post(signUpOf(phone_number));
  };
  const wrongCodeSent = async () => {
    const phone_number = someNumber();
    await post(signUpOf(phone_number));
    const otp = wrongCode(await api.codeFor(phone_number));
    return post(signUpOf(phone_number, { otp }));
  };

  it.each(cases)('has a text after %s', async (_, answer, code, error = PROBLEMS[code].title) => {
    const { status, body } = await answer();
    expect({ status, code: body.code }).toEqual({ status: PROBLEMS[code].status, code });
    expect(decodeGo(body, FAILURE)).toEqual({ error });
  });

  it.each(['/v1/me', '/nope', '/signup/x', '/protected/x', '/SIGNUP'])(
    'is left out at %s, which the Go server had not',
    async (path) => {
      const { status, body } = await api.client.get(path);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(body).not.toHaveProperty('error');
    },
  );
});
