import { authenticate, bearerOf } from './authenticate.js';
import {
  type Identity,
  identityOf,
  type Verifier,
  VerifierMisconfigured,
  VerifierUnavailable,
} from './identity.js';
import { RecentIdentities } from './recent-identities.js';

const IDENTITY: Identity = { sub: 'a user', sid: 'a session', scope: 'authentication', exp: 2_000_000_000 };

describe('A bearer token', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER   a-b._~+/c==  ', 'a-b._~+/c=='],
    ['Bearer', null],
    ['Bearer ', null],
    ['Bearer a b', null],
    ['Bearer a,b', null],
    ['Bearer =a', null],
    ['Basic YTpi', null],
    ['Bearerabc', null],
    ['Bearer abc\nX: y', null],
    [`Bearer ${'a'.repeat(4_096)}`, 'a'.repeat(4_096)],
    [`Bearer ${'a'.repeat(4_097)}`, null],
    ['', null],
    [undefined, null],
  ])('of "%s" is %j', (header, token) => {
    expect(bearerOf(header)).toBe(token);
  });
});

describe('A request', () => {
  const valid: Verifier = async () => IDENTITY;
  const withScope = (scope: string): Verifier => {
    return async () => ({ ...IDENTITY, scope });
  };
  const unavailable =
    (retryAfter: number | null): Verifier =>
    async () => {
      throw new VerifierUnavailable('no answer', retryAfter);
    };

  it('with a valid token is let through', async () => {
    expect(await authenticate('Bearer abc', valid)).toEqual({ identity: IDENTITY });
    expect(await authenticate('Bearer abc', withScope('a authentication b'))).toHaveProperty('identity');
  });

  it.each<[string, string | undefined, Verifier, object]>([
    ['without a token', undefined, valid, { status: 401, challenge: 'Bearer' }],
    ['with another scheme', 'Basic YTpi', valid, { status: 401, challenge: 'Bearer error="invalid_token"' }],
    [
      'with a refused token',
      'Bearer abc',
      async () => null,
      { status: 401, challenge: 'Bearer error="invalid_token"' },
    ],
    [
      'with a token of another scope',
      'Bearer abc',
      withScope('reauthentication'),
      { status: 403, challenge: 'Bearer error="insufficient_scope", scope="authentication"' },
    ],
    ['without a scope', 'Bearer abc', withScope(''), { status: 403 }],
    [
      'that cannot be decided on until a correction',
      'Bearer abc',
      () => Promise.reject(new VerifierMisconfigured('wrong credentials')),
      { status: 500, retryAfter: undefined },
    ],
    ['that cannot be decided on', 'Bearer abc', unavailable(7), { status: 503, retryAfter: '7' }],
    ['that cannot be decided on for now', 'Bearer abc', unavailable(null), { status: 503, retryAfter: '1' }],
  ])('%s is refused', async (_, header, verify, expected) => {
    const decision = await authenticate(header, verify);
    if (!('refusal' in decision)) throw new Error('it was let through');
    const { status, headers, body } = decision.refusal;
    expect({
      status,
      challenge: headers['WWW-Authenticate'],
      retryAfter: headers['Retry-After'],
    }).toMatchObject(expected);
    expect(headers).toMatchObject({
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
    });
    expect(body).toMatchObject({ status, code: expect.any(String) });
  });

  it('fails with the verifier', async () => {
    const broken: Verifier = () => Promise.reject(new Error('a fault in the code'));
    await expect(authenticate('Bearer abc', broken)).rejects.toThrow('a fault in the code');
  });
});

describe('Claims', () => {
  it.each<[object, Identity | null]>([
    [{ ...IDENTITY, aud: 'shop' }, IDENTITY],
    [
      { sub: 'a user', exp: 1 },
      { sub: 'a user', sid: null, scope: '', exp: 1 },
    ],
    [{ ...IDENTITY, sub: '' }, null],
    [{ ...IDENTITY, sub: undefined }, null],
    [{ ...IDENTITY, sub: { toString: () => 'a user' } }, null],
    [{ ...IDENTITY, exp: '1' }, null],
    [{ ...IDENTITY, exp: undefined }, null],
    [{ ...IDENTITY, scope: ['authentication'] }, null],
    [{ ...IDENTITY, sid: 7 }, null],
  ])('of %j are the identity %j', (claims, identity) => {
    expect(identityOf({ ...claims })).toEqual(identity);
  });
});

describe('Recent identities', () => {
  const HOUR = 3_600_000;
  let now: number;
  const ask = jest.fn<Promise<Identity | null>, []>();
  const recent = (keptMs: number) => new RecentIdentities(keptMs, () => now);

  beforeEach(() => {
    now = IDENTITY.exp * 1_000 - HOUR;
    ask.mockReset().mockResolvedValue(IDENTITY);
  });

  it('are used again for the given time', async () => {
    const identities = recent(5_000);
    const find = () => identities.find('a token', ask);
    expect([await find(), await find()]).toEqual([IDENTITY, IDENTITY]);
    now += 4_999;
    await find();
    expect(ask).toHaveBeenCalledTimes(1);
    now += 1;
    await find();
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are not used after the token has expired', async () => {
    const identities = recent(2 * HOUR);
    await identities.find('a token', ask);
    now += HOUR;
    await identities.find('a token', ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it('are of one token', async () => {
    const identities = recent(5_000);
    await identities.find('a token', ask);
    ask.mockResolvedValue(null);
    expect(await identities.find('another token', ask)).toBeNull();
    expect(await identities.find('another token', ask)).toBeNull();
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it('are not kept without a time', async () => {
    const identities = recent(0);
    await identities.find('a token', ask);
    await identities.find('a token', ask);
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
