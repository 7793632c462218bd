import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { base32nopad } from '@scure/base';
import pg from 'pg';
import { Unavailable, VerificationClosed } from '#errors';
import { Keys, nameSecret } from '#keys';
import { type ClientAttempts, PostgresVerificationStore, type VerificationId } from '#otp';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { connectRedis, quickOptions } from '#redis';
import {
  ActiveSessionsRepository,
  NoTokenCache,
  newTokenSecret,
  RedisTokenCache,
  RefreshTokens,
  type TokenCache,
  TokensRepository,
} from '#tokens';
import { type NewUser, UsersRepository } from '#users';
import { WebhookEvents } from '#webhooks';
import { openBreakablePostgres, openBreakableRedis } from '../../../test/support/breakable-stores.js';
import { modes } from '../../../test/support/databases.js';
import { times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { RecycledNumbersRepository } from './recycled-numbers.repository.js';
import { type CreatedSession, SessionsRepository } from './sessions.repository.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NUMBER = '+14155550123' as PhoneNumber;
const HOUR = 3_600_000;
const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0';

type Opened = Awaited<ReturnType<typeof open>>;

/** One process: its pool, its connection to Redis, and a user to sign in. */
async function open(redis: boolean) {
  const postgres = await openBreakablePostgres();
  const cache = redis ? await openBreakableRedis() : null;
  const database = new Database(postgres.source);
  const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
  const users = new UsersRepository(database, null as never, keys);
  const copies: TokenCache = cache ? new RedisTokenCache(cache.redis) : new NoTokenCache();
  const tokens = new TokensRepository(database, copies);
  const webhooks = new WebhookEvents(database, keys, { receiver: null });
  const active = new ActiveSessionsRepository(database, copies, webhooks);
  const sessionsFor = (ttlMs: number, by = copies) => {
    const lifetimes = { ttlMs, refreshTtlMs: 2 * ttlMs, maxAgeMs: 3 * ttlMs, reuseWindowMs: 1_000 };
    const policy = { ...lifetimes, recycledAfterMs: 4 * HOUR, recycledNumbers: 'new_account' } as const;
    const recycled = new RecycledNumbersRepository(database, active, by, policy);
    const refreshTokens = new RefreshTokens(keys);
    return new SessionsRepository(database, users, by, policy, refreshTokens, recycled, webhooks);
  };
  return {
    ...{ postgres, cache, copies, users, tokens, active, sessionsFor, sessions: sessionsFor(HOUR) },
    query: postgres.database.query,
    close: async () => {
      await postgres.close();
      await cache?.close();
    },
  };
}

/** A sign-in of the user by SMS. */
const signInOf = (user: NewUser, verificationId = anId()) => {
  return {
    user,
    phoneMasked: '+14*******55',
    verificationId,
    purpose: 'sign_in' as const,
    method: 'sms',
    address: '192.0.2.7',
    userAgent: USER_AGENT,
    isKnownDevice: false,
  };
};

const userOf = async (sessions: SessionsRepository, secret: string) =>
  (await sessions.find(secret))?.user ?? null;

const anId = () => randomBytes(16).toString('base64url');
const hashOf = (secret: string) => createHash('sha256').update(secret).digest();

describe.each(modes)('SessionsRepository on $name', ({ redis }) => {
  let server: Opened;

  beforeAll(async () => {
    server = await open(redis);
  });
  beforeEach(async () => {
    await server.query('delete from users');
    await server.cache?.redis.flushdb();
  });
  afterAll(() => server.close());

  const create = (phoneNumber = NUMBER, { name = null as string | null, verification = anId() } = {}) =>
    server.sessions.create(signInOf(server.users.draft(phoneNumber, name), verification));
  const find = (secret: string) => userOf(server.sessions, secret);
  const untilCached = (secret: string) => untilCopied(server, secret);
  const stored = (table: 'users' | 'tokens') => server.query(`select from ${table}`);

  it('creates a user and a token for an unknown phone number', async () => {
    const { user, token, isNewUser } = await create(NUMBER, { name: 'Ada' });
    expect(isNewUser).toBe(true);
    const id = expect.stringMatching(UUID_V7);
    expect(user).toEqual({
      id,
      avatar: null,
      legacyId: expect.any(Number),
      createdAt: expect.any(Date),
      name: 'Ada',
      locale: null,
      phoneNumber: NUMBER,
      version: 1,
    });
    expect(token).toMatch(/^[A-Z2-7]{26}$/);
    expect(base32nopad.decode(token)).toHaveLength(16);
  });

  it('finds the user of a token, however often it is asked', async () => {
    const [ada, eve] = [await create(), await create('+14155550124' as PhoneNumber)];
    for (const { token, user } of [ada, eve, ada, eve]) expect(await find(token)).toEqual(user);
  });

  it('gives each of many look-ups at once the user of its own token, from Postgres and from copies', async () => {
    const numbers = times(30, (i) => `+1415555${1_000 + i}` as PhoneNumber);
    const created = await Promise.all(numbers.map((number) => create(number)));
    const unknown = { token: newTokenSecret(), user: null };
    const asked = [unknown, ...created.toReversed(), created[7] as (typeof created)[number], unknown];
    const expected = asked.map(({ user }) => user);
    expect(await Promise.all(asked.map(({ token }) => find(token)))).toEqual(expected);
    if (redis) await Promise.all(created.map(({ token }) => untilCached(token)));
    expect(await Promise.all(asked.map(({ token }) => find(token)))).toEqual(expected);
  });

  it('finds an existing user and does not change the name', async () => {
    const { user } = await create(NUMBER, { name: 'Ada' });
    for (const name of ['Eve', null]) {
      const again = await create(NUMBER, { name });
      expect(again).toMatchObject({ user, isNewUser: false });
      expect(await find(again.token)).toEqual(user);
    }
  });

  it('creates one user for a phone number when many sign in at once', async () => {
    const created = await Promise.all(times(100, () => create()));
    expect(new Set(created.map(({ user }) => user.id)).size).toBe(1);
    expect(created.filter(({ isNewUser }) => isNewUser)).toHaveLength(1);
    expect([await stored('users'), await stored('tokens')].map(({ length }) => length)).toEqual([1, 100]);
  });

  it('creates one token for a verification when many ask for it at once', async () => {
    const verification = anId();
    const outcomes = await Promise.allSettled(times(20, () => create(NUMBER, { verification })));
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    for (const { reason } of refused) expect(reason).toBeInstanceOf(VerificationClosed);
    expect(refused).toHaveLength(19);
    expect(await stored('tokens')).toHaveLength(1);
  });

  it('finds the session of a statement that committed it only after its answer was lost and it was repeated', async () => {
    const { runIdempotent } = Database.prototype;
    const lost = jest.spyOn(Database.prototype, 'runIdempotent').mockImplementationOnce(async function (
      this: Database,
      ...call
    ) {
      const rows = await runIdempotent.apply(this, call);
      // What the repeated statement sees, whose snapshot is older.
      return rows.map((row) => ({ ...row, expires_at: null, refresh_expires_at: null }));
    });
    const { token, user } = await create();
    expect(lost).toHaveBeenCalledTimes(2);
    lost.mockRestore();
    expect(await find(token)).toEqual(user);
    expect(await stored('tokens')).toHaveLength(1);
  });

  it('creates no user when the verification has a token already', async () => {
    const verification = anId();
    const { token } = await create(NUMBER, { verification });
    await expect(create(NUMBER, { verification })).rejects.toThrow(VerificationClosed);
    expect(await find(token)).not.toBeNull();
  });

  it('stores the phone number encrypted, and only the hash of the token', async () => {
    const { token } = await create();
    if (server.cache) await untilCached(token);
    const rows = await server.query<{ dump: string }>(
      'select u::text as dump from users u union all select t::text from tokens t',
    );
    const copies = server.cache ? await server.cache.redis.mget(...(await server.cache.redis.keys('*'))) : [];
    const dump = JSON.stringify([rows, copies]);
    for (const clear of [NUMBER.slice(1), token, Buffer.from(base32nopad.decode(token)).toString('hex')])
      expect(dump).not.toContain(clear);
  });

  it('gives a token the lifetime of the policy by the clock of Postgres', async () => {
    const now = async () => {
      const [row] = await server.query<{ ms: number }>(
        'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
      );
      return row?.ms as number;
    };
    const before = await now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(0);
    const { expiresAt } = await create();
    clock.mockRestore();
    // A date has whole milliseconds.
    expect(expiresAt.getTime() - HOUR).toBeGreaterThanOrEqual(Math.floor(before));
    expect(expiresAt.getTime() - HOUR).toBeLessThanOrEqual(await now());
  });

  it('finds no user by an unknown or expired token, and the scope of every other one', async () => {
    const unknown = base32nopad.encode(randomBytes(16));
    expect(await find(unknown)).toBeNull();
    const { token: foreign } = await create();
    await server.query(`update tokens set scope = 'another'`);
    expect(await server.sessions.find(foreign)).toMatchObject({ scope: 'another' });
    const { token: long } = await create();
    const short = await waitFor('a token that is found before it expires', async () => {
      const { token } = await server.sessionsFor(300).create(signInOf(server.users.draft(NUMBER, null)));
      return (await find(token)) && token;
    });
    await waitFor('the expiry', async () => (await find(short)) === null);
    expect(await find(long)).not.toBeNull();
  });

  it('rejects a malformed token without asking Postgres or Redis', async () => {
    const { token } = await create();
    server.postgres.wire.cut();
    const malformed = ['', 'x', token.toLowerCase(), token.slice(1), `${token}A`, ` ${token}`, `${token}\n`];
    for (const text of [...malformed, token.replace(/./, '1'), '\0'.repeat(26), `'; drop table tokens --`])
      expect(await find(text)).toBeNull();
    await expect(find(token)).rejects.toThrow(Unavailable);
    await expect(create()).rejects.toThrow(Unavailable);
    server.postgres.wire.heal();
  });

  it('revokes all tokens of a user and no others', async () => {
    const [first, second, other] = [
      await create(),
      await create(),
      await create('+14155550124' as PhoneNumber),
    ];
    for (const { token } of [first, second, other]) expect(await find(token)).not.toBeNull();
    await server.active.endOf(first.user.id, null, 'ended_by_user');
    expect(await find(first.token)).toBeNull();
    expect(await find(second.token)).toBeNull();
    expect(await find(other.token)).not.toBeNull();
  });

  it('purges expired tokens only, and keeps them while a copy could exist', async () => {
    const [old, recent, valid] = [await create(), await create(), await create()];
    const expire = `update tokens set expires_at = now() - $1 * interval '1 second' where hash = $2`;
    await server.query(expire, [61, hashOf(old.token)]);
    await server.query(expire, [1, hashOf(recent.token)]);
    await server.tokens.purge();
    expect(await stored('tokens')).toHaveLength(2);
    expect([await find(recent.token), await find(valid.token)]).toEqual([null, valid.user]);
  });

  it('creates a session with the client, the channel and a refresh token for each sign-in', async () => {
    const { sessionId, user, refreshToken, expiresAt, refreshExpiresAt } = await create();
    expect(sessionId).toMatch(UUID_V7);
    expect(refreshToken).toMatch(/^[A-Z2-7]{26}$/);
    expect(refreshExpiresAt.getTime() - expiresAt.getTime()).toBeCloseTo(HOUR, -2);
    expect(await server.active.list(user.id, 10, null)).toEqual([
      {
        ...{ id: sessionId, createdAt: expect.any(Date), lastUsedAt: expect.any(Date) },
        ...{ expiresAt: refreshExpiresAt, address: '192.0.2.7', method: 'sms' },
        ...{ userAgent: USER_AGENT, label: 'Firefox on Linux' },
      },
    ]);
    const stored = await server.query('select hash, generation, used_at from refresh_tokens');
    expect(stored).toEqual([{ hash: hashOf(refreshToken), generation: 1, used_at: null }]);
  });

  it('creates one session for a verification when many ask for it at once', async () => {
    const verification = anId();
    await Promise.allSettled(times(20, () => create(NUMBER, { verification })));
    expect(await server.query('select from sessions')).toHaveLength(1);
    expect(await server.query('select from refresh_tokens')).toHaveLength(1);
  });

  it('names the session of a token, from Postgres and from a copy', async () => {
    const { token, sessionId } = await create();
    for (const _ of ['Postgres', 'copy'])
      expect(await server.sessions.find(token)).toMatchObject({ sessionId, tokenHash: hashOf(token) });
  });

  it('ignores a copy of an earlier version, which does not name the scope', async () => {
    const { token, user, sessionId } = await create();
    const found = await server.copies.find(hashOf(token));
    const lease = 'lease' in found ? found.lease : null;
    const [row] = await server.query(
      'select id, created_at, name, phone_sealed, version, null as session_id from users',
    );
    if (lease) await server.copies.store(hashOf(token), lease, JSON.stringify(row), HOUR);
    expect(await server.sessions.find(token)).toMatchObject({ user, sessionId });
  });

  describe('with a token of the Go server', () => {
    const secret = 'ABCDEFGHIJKLMNOPQRSTUVWXY2';

    /** Stores what the Go server stores: hash, user, expiry and scope. */
    async function storeToken({ user }: Pick<CreatedSession, 'user'>): Promise<void> {
      await server.query(
        `insert into tokens (hash, user_id, expires_at, scope) values ($1, $2, now() + interval '1 hour', 'authentication')`,
        [hashOf(secret), user.id],
      );
    }

    it('accepts it as it is', async () => {
      const owner = await create();
      await storeToken(owner);
      for (const _ of ['Postgres', 'copy'])
        expect(await server.sessions.find(secret)).toMatchObject({ user: owner.user, sessionId: null });
    });

    it('gives it one session, however many ask for it, in every process', async () => {
      const owner = await create();
      await storeToken(owner);
      await server.sessions.find(secret);
      await Promise.all(times(10, () => server.active.adoptTokens(owner.user.id)));
      const sessions = await server.active.list(owner.user.id, 10, null);
      expect(sessions.map(({ method }) => method).toSorted()).toEqual(['otp', 'sms']);
      const adopted = sessions.find(({ method }) => method === 'otp');
      expect(await server.sessions.find(secret)).toMatchObject({ sessionId: adopted?.id });
      await server.active.end(adopted?.id as string, 'ended_by_user');
      expect(await find(secret)).toBeNull();
    });
  });

  it('lists the sessions of a user in pages, newest first, without those that ended or expired', async () => {
    const created: CreatedSession[] = [];
    for (let n = 0; n < 6; n += 1) created.push(await create());
    await create('+14155550124' as PhoneNumber);
    const [expired, first, ended, second, third, fourth] = created as [CreatedSession, ...CreatedSession[]];
    await server.query('update sessions set expires_at = now() where id = $1', [expired.sessionId]);
    await server.active.end(ended?.sessionId as string, 'ended_by_user');
    const page = async (before: string | null) =>
      (await server.active.list(expired.user.id, 3, before)).map(({ id }) => id);
    expect(await page(null)).toEqual([fourth, third, second].map((each) => each?.sessionId));
    expect(await page(second?.sessionId as string)).toEqual([first?.sessionId]);
  });

  it('records why and when a session ended, once', async () => {
    const { sessionId } = await create();
    await server.active.end(sessionId, 'signed_out');
    const [before] = await server.query('select ended_at, end_reason from sessions');
    await server.active.end(sessionId, 'ended_by_user');
    const [after] = await server.query('select ended_at, end_reason from sessions');
    expect(after).toEqual(before);
    expect(after).toEqual({ ended_at: expect.any(Date), end_reason: 'signed_out' });
  });

  it('ends all sessions but one, of this user only', async () => {
    const [kept, other] = [await create(), await create()];
    const foreign = await create('+14155550124' as PhoneNumber);
    await server.active.endOf(kept.user.id, kept.sessionId, 'ended_by_user');
    expect([await find(kept.token), await find(other.token), await find(foreign.token)]).toEqual([
      kept.user,
      null,
      foreign.user,
    ]);
  });

  it('purges expired sessions with their tokens, and keeps them while a copy could exist', async () => {
    const [old, recent, valid] = [await create(), await create(), await create()];
    const expire = `update sessions set expires_at = now() - $1 * interval '1 second' where id = $2`;
    await server.query(expire, [61, old.sessionId]);
    await server.query(expire, [1, recent.sessionId]);
    await server.active.purge();
    const left = await server.query<{ id: string }>('select id from sessions order by id');
    expect(left.map(({ id }) => id)).toEqual([recent.sessionId, valid.sessionId]);
    expect(await stored('tokens')).toHaveLength(2);
    expect(await server.query('select from refresh_tokens')).toHaveLength(2);
  });

  it('makes every process read a changed user again', async () => {
    const { token, user } = await create();
    await find(token);
    await server.query(`update users set name = 'Grace'`);
    await server.tokens.forgetCopiesOf(user.id);
    expect(await find(token)).toMatchObject({ name: 'Grace' });
  });
});

/** Looks the token up until there is a copy. The cache takes no part for a moment after it was slow. */
async function untilCopied({ sessions, copies }: Opened, token: string): Promise<void> {
  const isCopied = async () => {
    await sessions.find(token);
    return 'copy' in (await copies.find(hashOf(token)));
  };
  await waitFor('a copy', isCopied);
}

const REDIS = modes.filter(({ redis }) => redis);

describe.each(REDIS)('Cached sessions', () => {
  let one: Opened;
  let other: SessionsRepository;
  let connection: ReturnType<typeof connectRedis>;

  beforeAll(async () => {
    one = await open(true);
    // A second process, whose way to the same Redis does not break.
    const direct = new URL(process.env.TEST_REDIS_URL as string);
    direct.pathname = new URL((one.cache as NonNullable<Opened['cache']>).wire.url).pathname;
    connection = connectRedis(direct.href, quickOptions);
    await once(connection, 'ready');
    other = one.sessionsFor(HOUR, new RedisTokenCache(connection));
  });
  beforeEach(async () => {
    await one.query('delete from users');
    await connection.flushdb();
  });
  afterAll(async () => {
    connection.disconnect();
    await one.close();
  });

  const create = () => one.sessions.create(signInOf(one.users.draft(NUMBER, null)));
  const untilLeased = (hash: Buffer) =>
    waitFor('a lease', async () => {
      const answer = await one.copies.find(hash);
      return 'lease' in answer && answer.lease;
    });
  const revoke = (userId: string) => one.active.endOf(userId, null, 'ended_by_user');

  it('answers the second request without Postgres, in every process', async () => {
    const { token, user } = await create();
    await untilCopied(one, token);
    one.postgres.wire.cut();
    // Only the cache can answer now.
    for (const sessions of [one.sessions, other]) {
      const found = await waitFor('a user', () => userOf(sessions, token).catch(() => null));
      expect(found).toEqual(user);
    }
    one.postgres.wire.heal();
  });

  it('keeps a copy no longer than a minute, and no longer than the token lives', async () => {
    for (const [ttlMs, longest] of [
      [HOUR, 60_000],
      [20_000, 20_000],
    ] as const) {
      const { token } = await one.sessionsFor(ttlMs).create(signInOf(one.users.draft(NUMBER, null)));
      await untilCopied(one, token);
      const left = await connection.pttl(`latchkey:session:${hashOf(token).toString('base64url')}`);
      // A lease is shorter.
      expect(left).toBeGreaterThan(longest - 15_000);
      expect(left).toBeLessThanOrEqual(longest);
    }
  });

  it('ends a revoked session at the next request of every process', async () => {
    const { token, user } = await create();
    await userOf(other, token);
    await revoke(user.id);
    expect([await userOf(one.sessions, token), await userOf(other, token)]).toEqual([null, null]);
  });

  it('does not let a look-up that began before a revocation bring the session back', async () => {
    const { token, user } = await create();
    const hash = hashOf(token);
    const lease = await untilLeased(hash);
    await revoke(user.id);
    await one.copies.store(hash, lease, JSON.stringify(user), HOUR);
    expect([await userOf(one.sessions, token), await userOf(other, token)]).toEqual([null, null]);
  });

  it('does not let a look-up whose lease was given to another one store its copy', async () => {
    const { token, user } = await create();
    const hash = hashOf(token);
    const lease = await untilLeased(hash);
    await revoke(user.id);
    await userOf(other, token);
    await one.copies.store(hash, lease, JSON.stringify(user), HOUR);
    expect(await userOf(other, token)).toBeNull();
  });

  it('never accepts a token after its revocation, however many look-ups race with it', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { token, user } = await create();
      const racing = times(10, (i) => userOf(i % 2 ? one.sessions : other, token));
      await revoke(user.id);
      const after = await Promise.all(times(4, (i) => userOf(i % 2 ? one.sessions : other, token)));
      await Promise.all(racing);
      expect([...after, await userOf(other, token)]).toEqual(times(5, () => null));
    }
  });

  it('asks Postgres while Redis is away or does not answer', async () => {
    const { wire } = one.cache as NonNullable<Opened['cache']>;
    const { token, user } = await create();
    wire.blackHole();
    expect(await userOf(one.sessions, token)).toEqual(user);
    wire.cut();
    expect(await userOf(one.sessions, token)).toEqual(user);
    wire.heal();
    await untilCopied(one, token);
  });

  it('says that a revocation is not certain while Redis is away, and makes it certain when it is repeated', async () => {
    const { wire } = one.cache as NonNullable<Opened['cache']>;
    const { token, user } = await create();
    await userOf(other, token);
    wire.cut();
    await expect(revoke(user.id)).rejects.toThrow(Unavailable);
    wire.heal();
    await waitFor(
      'the revocation',
      () =>
        revoke(user.id).then(
          () => true,
          () => false,
        ),
      10_000,
    );
    expect([await userOf(one.sessions, token), await userOf(other, token)]).toEqual([null, null]);
  });
});

describe('createApproving of SessionsRepository', () => {
  let server: Opened;
  let store: PostgresVerificationStore;

  beforeAll(async () => {
    server = await open(false);
    store = new PostgresVerificationStore(new Database(server.postgres.source), {
      name: 'send',
      maxTries: 1,
    });
  });
  beforeEach(() => server.query('delete from users'));
  afterAll(() => server.close());

  const openVerification = async (overrides: Partial<Parameters<typeof store.open>[0]> = {}) => {
    const opened = await store.open({
      ...{ id: anId() as VerificationId, purpose: 'sign_up', phoneSealed: 'sealed', phoneIndex: 'index' },
      ...{
        name: null,
        locale: null,
        appHash: null,
        device: null,
        codeLength: 6,
        secretId: 'one',
        ticket: null,
      },
      ...{ maxAttempts: 5, ttlMs: HOUR, resendAfterMs: 1, hasFallback: false },
      route: { channel: 'sms', provider: 'twilio' },
      ...overrides,
    });
    return opened.id;
  };
  const approve = (id: VerificationId, by: ClientAttempts | null = null, phoneNumber = NUMBER) =>
    server.sessions.createApproving(signInOf(server.users.draft(phoneNumber, null), id), by);
  const count = async (table: 'users' | 'tokens') => (await server.query(`select from ${table}`)).length;

  it('creates the session and approves the verification, with the attempt restored', async () => {
    const id = await openVerification();
    await store.attempt(id);
    const created = await approve(id);
    expect(await userOf(server.sessions, created?.token as string)).toEqual(created?.user);
    expect(await store.find(id)).toMatchObject({ status: 'approved', attemptsLeft: 5 });
  });

  it('restores the attempt of the client and of its group', async () => {
    const by = { client: 'a', limit: 3, group: { name: 'all', limit: 5 } };
    const id = await openVerification();
    for (let n = 0; n < 2; n += 1) await store.attempt(id, by);
    await approve(id, by);
    expect(await store.find(id)).toMatchObject({ attemptsLeft: 5, attemptsBy: { a: 1, all: 1 } });
  });

  it('gives one of many concurrent callers the session', async () => {
    const id = await openVerification();
    const created = await Promise.all(times(20, () => approve(id)));
    expect(created.filter((each) => each !== null)).toHaveLength(1);
    expect([await count('users'), await count('tokens')]).toEqual([1, 1]);
  });

  it('gives one of two processes the session, for each of many verifications at once', async () => {
    const other = server.sessionsFor(HOUR);
    const numbers = times(30, (i) => `+1415555${1_000 + i}` as PhoneNumber);
    const ids = await Promise.all(numbers.map(() => openVerification()));
    const by = (sessions: SessionsRepository) =>
      numbers.map((number, i) => {
        const user = server.users.draft(number, null);
        return sessions.createApproving(signInOf(user, ids[i]), null);
      });
    const [mine, theirs] = await Promise.all([by(server.sessions), by(other)].map((all) => Promise.all(all)));
    for (const i of numbers.keys()) expect([mine?.[i], theirs?.[i]].filter(Boolean)).toHaveLength(1);
    expect([await count('users'), await count('tokens')]).toEqual([30, 30]);
  });

  /** Runs a statement in a transaction that stays open. */
  async function begin(text: string, values: unknown[]) {
    const client = new pg.Client(server.postgres.database.url);
    await client.connect();
    await client.query('begin');
    await client.query(text, values);
    const waiting = `from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    return {
      untilAwaited: () =>
        waitFor('the wait', async () => (await server.query(`select ${waiting}`)).length > 0),
      cancelWaiting: () => server.query(`select pg_cancel_backend(pid) ${waiting}`),
      commit: async () => {
        await client.query('commit');
        await client.end();
      },
    };
  }

  const OTHER_NUMBER = '+14155550199' as PhoneNumber;

  it('approves a verification whose delivery changes at the same time', async () => {
    const [id, other] = [await openVerification(), await openVerification()];
    const change = await begin('update verifications set delivery_version = 2 where id = $1', [id]);
    const created = Promise.all([approve(id), approve(other, null, OTHER_NUMBER)]);
    await change.untilAwaited();
    await change.commit();
    expect((await created).map((each) => each?.isNewUser)).toEqual([true, true]);
    expect(await store.find(id)).toMatchObject({ status: 'approved', delivery: { version: 2 } });
    expect(await store.find(other)).toMatchObject({ status: 'approved' });
  });

  it('gives no session of a verification that is canceled at the same time', async () => {
    const id = await openVerification();
    const cancel = await begin(`update verifications set status = 'canceled' where id = $1`, [id]);
    const created = approve(id);
    await cancel.untilAwaited();
    await cancel.commit();
    expect(await created).toBeNull();
    expect([await count('users'), await count('tokens')]).toEqual([0, 0]);
  });

  it('gives no session of an account that loses its number at the same time', async () => {
    const { user } = await server.sessions.create(signInOf(server.users.draft(NUMBER, null)));
    const id = await openVerification();
    const move = await begin(`update users set phone_index = 'of another number' where id = $1`, [user.id]);
    const created = approve(id);
    await move.untilAwaited();
    await move.commit();
    expect(await created).toMatchObject({ isNewUser: true });
    expect((await created)?.user.id).not.toBe(user.id);
  });

  it('fails no other sign-in when the verification of one stays locked', async () => {
    const [id, other] = [await openVerification(), await openVerification()];
    const lock = await begin('select from verifications where id = $1 for update', [id]);
    const [locked, free] = [approve(id), approve(other, null, OTHER_NUMBER)];
    const failed = expect(locked).rejects.toThrow(Unavailable);
    let hasFailed = false;
    locked.catch(() => {
      hasFailed = true;
    });
    // As the statement timeout does: of the statement for both, then of the one for the locked verification.
    await waitFor('the refusal', async () => {
      await lock.cancelWaiting();
      return hasFailed;
    });
    await failed;
    expect(await free).toMatchObject({ isNewUser: true });
    await lock.commit();
  });

  it('creates one user when many verifications of a number are approved at once', async () => {
    const ids = await Promise.all(times(20, () => openVerification()));
    const created = await Promise.all(ids.map((id) => approve(id)));
    expect(created.filter((each) => each?.isNewUser)).toHaveLength(1);
    expect([await count('users'), await count('tokens')]).toEqual([1, 20]);
  });

  it('gives each of many sign-ins at once its own session, and refuses those whose verification is closed', async () => {
    const numbers = times(30, (i) => `+1415555${1_000 + i}` as PhoneNumber);
    const ids = await Promise.all(numbers.map(() => openVerification()));
    const isClosed = (i: number) => i % 7 === 3;
    await Promise.all(ids.filter((_, i) => isClosed(i)).map((id) => store.cancel(id)));
    await approve(await openVerification(), null, numbers[5]);
    const created = await Promise.all(ids.map((id, i) => approve(id, null, numbers[i])));
    for (const [i, each] of created.entries()) {
      expect(each?.user.phoneNumber).toBe(isClosed(i) ? undefined : numbers[i]);
      expect(each?.isNewUser).toBe(isClosed(i) ? undefined : i !== 5);
      if (each) expect(await userOf(server.sessions, each.token)).toEqual(each.user);
      expect(await store.find(ids[i] as VerificationId)).toMatchObject({
        status: isClosed(i) ? 'canceled' : 'approved',
      });
    }
  });

  it('does not block processes that sign the same numbers in at once, in whichever order', async () => {
    // A repository has its own batches, like a process.
    const other = server.sessionsFor(HOUR);
    const numbers = times(40, (i) => `+1415555${1_000 + i}` as PhoneNumber);
    // After a deadlock the statement runs once more.
    const repeated = jest.spyOn(Database.prototype, 'run');
    const signIn = async (by: SessionsRepository, number: PhoneNumber, id: VerificationId) =>
      by.createApproving(signInOf(server.users.draft(number, null), id), null);
    for (let round = 0; round < 5; round += 1) {
      await server.query('delete from users');
      const ids = await Promise.all(times(80, () => openVerification()));
      const mine = numbers.map((number, i) => signIn(server.sessions, number, ids[i] as VerificationId));
      const theirs = numbers
        .toReversed()
        .map((number, i) => signIn(other, number, ids[79 - i] as VerificationId));
      const created = await Promise.all([...mine, ...theirs]);
      expect(created.filter((each) => each?.isNewUser)).toHaveLength(40);
      expect(new Set(created.map((each) => each?.user.id)).size).toBe(40);
    }
    expect(repeated.mock.calls.filter(([{ name }]) => name === 'session-approve')).toEqual([]);
    repeated.mockRestore();
  });

  it.each<[string, (id: VerificationId) => Promise<unknown>]>([
    ['canceled', (id) => store.cancel(id)],
    ['claimed by another caller', (id) => store.claim(id, HOUR)],
    ['approved', (id) => store.approve(id)],
    ['deleted', () => server.query('delete from verifications')],
    ['expired', () => server.query('update verifications set expires_at = now()')],
  ])('creates neither user nor token for a verification that is %s', async (_, close) => {
    const id = await openVerification();
    await close(id);
    expect(await approve(id)).toBeNull();
    expect([await count('users'), await count('tokens')]).toEqual([0, 0]);
    // With an account, which needs no insert, the token alone decides.
    await server.sessions.create(signInOf(server.users.draft(NUMBER, null)));
    expect(await approve(id)).toBeNull();
    expect([await count('users'), await count('tokens')]).toEqual([1, 1]);
  });

  it('does not write the time of another use on the same day', async () => {
    const uses = async () => (await server.query('select xmin::text as written, last_used_at from users'))[0];
    await approve(await openVerification());
    const first = await uses();
    await approve(await openVerification());
    expect(await uses()).toEqual(first);
  });

  it('changes nothing when the token cannot be stored', async () => {
    const id = await openVerification();
    await server.query('alter table tokens rename to hidden');
    await expect(approve(id)).rejects.toThrow('tokens');
    await server.query('alter table hidden rename to tokens');
    expect(await count('users')).toBe(0);
    expect(await approve(id)).not.toBeNull();
  });

  it('approves a verification that produced a token before, and creates no other', async () => {
    const id = await openVerification();
    await server.sessions.create(signInOf(server.users.draft(NUMBER, null), id));
    await expect(approve(id)).rejects.toThrow(VerificationClosed);
    expect(await count('tokens')).toBe(1);
    expect(await store.find(id)).toMatchObject({ status: 'approved' });
  });
});
