import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Unavailable } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { RedisHealth } from '#redis';
import { openBreakablePostgres, openBreakableRedis } from '../../../test/support/breakable-stores.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import type { DeliveryChange } from './delivery.js';
import { TestNumbers } from './test-numbers.js';
import { chargeOf, newVerificationId, type VerificationId } from './verification.js';
import { VerificationService } from './verification.service.js';
import type { NewVerification, Resend, StoredVerification, VerificationStore } from './verification-store.js';
import { PostgresVerificationStore } from './verification-store.postgres.js';
import { RedisVerificationStore } from './verification-store.redis.js';

Logger.overrideLogger(false);

/** A driver with its server, and direct access to the server. */
interface Opened {
  readonly store: VerificationStore;
  /** As another process has it, on the same server. */
  readonly other: VerificationStore;
  readonly wire: TcpProxy;
  /** Returns everything that the server stores, as text. */
  dump(): Promise<string>;
  clear(): Promise<unknown>;
  close(): Promise<unknown>;
}

const drivers = [
  { name: 'Postgres', open: openOnPostgres },
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Redis', open: openOnRedis }] : []),
];

const HOUR = 3_600_000;

/** Longer than a busy machine pauses between two steps of a test. */
const AGE_MS = 3_000;

const WHATSAPP = { channel: 'whatsapp', provider: 'http' } as const;
const ADDRESS = { purpose: 'sign_up', phoneIndex: 'index of a number' } as const;

const CHANGE: DeliveryChange = {
  ...{ status: 'failed', reason: 'unreachable', providerId: 'SM1', retried: true, fallback: 'used' },
  ...{ route: { channel: 'call', provider: 'http' }, addsMessage: true },
};

function verification(overrides: Partial<NewVerification> = {}): NewVerification {
  return {
    id: newVerificationId(),
    ...ADDRESS,
    phoneSealed: 'a sealed number',
    name: 'Ada',
    locale: 'en',
    appHash: null,
    route: { channel: 'sms', provider: 'twilio' },
    device: null,
    ticket: null,
    hasFallback: false,
    codeLength: 6,
    secretId: 'a secret',
    maxAttempts: 5,
    ttlMs: 60_000,
    resendAfterMs: 30_000,
    ...overrides,
  };
}

/** One more message by the same route. */
function again(overrides: Partial<Resend> = {}): Resend {
  return {
    resendAfterMs: 0,
    route: { channel: 'sms', provider: 'twilio' },
    hasFallback: false,
    ...overrides,
  };
}

const NUMBER = '+14155550123' as PhoneNumber;
const KEYS = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));

const sealedNumber = () => ({ phoneIndex: KEYS.phoneIndexOf(NUMBER), phoneSealed: KEYS.seal(NUMBER) });

function serviceOn(store: VerificationStore): VerificationService {
  return new VerificationService(store, KEYS, { ttlMs: 60_000, maxAttempts: 5 }, new TestNumbers({}, null));
}

describe.each(drivers)('VerificationStore on $name', ({ open }) => {
  let server: Opened;
  let store: VerificationStore;

  beforeAll(async () => {
    server = await open();
    store = server.store;
  });
  beforeEach(() => server.clear());
  afterAll(() => server.close());

  async function opened(overrides: Partial<NewVerification> = {}): Promise<VerificationId> {
    return (await store.open(verification(overrides))).id;
  }

  /** Changes the delivery of the newest message. */
  async function record(id: VerificationId, change: Partial<DeliveryChange>) {
    const { route, delivery } = (await store.find(id)) as StoredVerification;
    return store.changeDelivery(id, delivery.version, { ...delivery, route, addsMessage: false, ...change });
  }

  /** Expects that a closed verification refuses every change. */
  async function expectClosed(id: VerificationId, status: string): Promise<void> {
    expect(await store.attempt(id)).toBeNull();
    expect(await store.resend(id, again())).toBeNull();
    expect(await store.claim(id, 1_000)).toBe(false);
    expect(await store.cancel(id)).toBe(false);
    expect(await store.findOpen(ADDRESS.purpose, ADDRESS.phoneIndex, null)).toEqual([]);
    expect(await store.find(id)).toMatchObject({ status });
  }

  describe('open', () => {
    it('stores a verification with times of its own clock', async () => {
      const given = verification({ ttlMs: 300_000, resendAfterMs: 30_000, maxAttempts: 7 });
      const { maxAttempts, ttlMs, resendAfterMs, ticket, hasFallback, ...kept } = given;
      const row = await store.open(given);
      expect(row).toEqual({
        ...kept,
        sessionId: null,
        apiClient: null,
        clients: {},
        attemptsBy: {},
        tickets: [],
        charges: ['none'],
        status: 'pending',
        attemptsLeft: maxAttempts,
        createdAt: expect.any(Date),
        expiresAt: new Date(row.createdAt.getTime() + ttlMs),
        resendAt: new Date(row.createdAt.getTime() + resendAfterMs),
        messageCount: 1,
        delivery: {
          status: 'queued',
          reason: null,
          providerId: null,
          firstMessage: 1,
          retried: false,
          fallback: 'none',
          requestedAt: row.createdAt,
          updatedAt: row.createdAt,
          version: 1,
        },
        readAt: expect.any(Date),
      });
      expect(await store.find(row.id)).toEqual({ ...row, readAt: expect.any(Date) });
    });

    it('returns a verification as it is read', async () => {
      const client = { id: 'a', address: 'hash of an address', name: 'Ada "L." 🦊', nth: 1 };
      const every = {
        ...{ name: null, locale: null, appHash: 'FA+9qCX9VSu', device: 'a device', hasFallback: true },
        ...{ ticket: 'ticket', charge: 'charge', apiClient: 'a client', client, route: WHATSAPP },
      };
      const row = await store.open(verification(every));
      expect(await store.find(row.id)).toEqual({ ...row, readAt: expect.any(Date) });
    });

    it('keeps what belongs to it when many are opened at once', async () => {
      const client = { id: 'a client', address: 'hash of an address', name: 'Grace', nth: 1 };
      const several = times(120, (i) =>
        verification({ codeLength: i % 2 ? 6 : 8, name: `name ${i}`, client }),
      );
      several.push(verification({ name: null, locale: null, ticket: 'a ticket', device: 'a device' }));
      const opened = await Promise.all(several.map((each) => store.open(each)));
      expect(opened.map(({ id }) => id)).toEqual(several.map(({ id }) => id));
      const found = await Promise.all(several.map(({ id }) => store.find(id)));
      for (const [i, { id: _, ...values }] of several.entries()) {
        const { codeLength, name, locale, device } = values;
        expect(found[i]).toMatchObject({ codeLength, name, locale, device });
      }
    });

    it('is found by its own id when many are asked for at once', async () => {
      const ids = await Promise.all(times(30, (i) => opened({ name: String(i) })));
      const asked = [verification().id, ...ids.toReversed(), ids[7] as VerificationId];
      const found = await Promise.all(asked.map((id) => store.find(id)));
      expect(found.map((each) => each?.id ?? null)).toEqual([null, ...asked.slice(1)]);
      expect(found.at(-1)?.name).toBe('7');
    });

    it('is read with the time of the clock that its other times come from', async () => {
      const { id, createdAt, readAt } = await store.open(verification());
      expect(readAt.getTime() - createdAt.getTime()).toBeLessThan(1_000);
      expect(readAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
      const later = () => store.find(id).then((row) => (row?.readAt ?? createdAt) > readAt && row);
      expect(await waitFor('a later reading', later)).toMatchObject({ createdAt });
    });

    it.each([
      ['absent', null],
      ['empty', ''],
      ['foreign', 'Ада 🦊\n"; drop table'],
    ])('stores a name that is %s unchanged', async (_, name) => {
      const id = await opened({ name, locale: null });
      expect(await store.find(id)).toMatchObject({ name, locale: null });
    });
  });

  it('stores the tickets of messages in order', async () => {
    const id = await opened({ ticket: 'first' });
    await store.resend(id, again({ ticket: 'second' }));
    await store.resend(id, again());
    await store.resend(id, again({ ticket: 'third' }));
    expect((await store.find(id))?.tickets).toEqual(['first', 'second', 'third']);
    expect((await store.find(await opened()))?.tickets).toEqual([]);
  });

  it('stores the charge of every message in order, also of messages without one', async () => {
    const id = await opened({ charge: 'first' });
    await store.resend(id, again({ charge: 'second' }));
    const replaced = (await store.resend(id, again())) as StoredVerification;
    const { delivery, route } = replaced;
    const change = { ...delivery, route, addsMessage: true, charge: 'fourth' };
    await store.changeDelivery(id, delivery.version, change);
    const unchanged = { ...change, addsMessage: false, charge: 'ignored' };
    await store.changeDelivery(id, delivery.version + 1, unchanged);
    const found = (await store.find(id)) as StoredVerification;
    expect(found).toMatchObject({
      messageCount: 4,
      charges: ['first', 'second', 'none', 'fourth'],
    });
    expect([0, 1, 2, 3, 4, 5].map((number) => chargeOf(found, number))).toEqual([
      ...[null, 'first', 'second', null, 'fourth', null],
    ]);
    // Messages before the upgrade to this version have no entry.
    expect([1, 2].map((number) => chargeOf({ charges: ['second'], messageCount: 2 }, number))).toEqual([
      ...[null, 'second'],
    ]);
  });

  it("finds a device's verification for that device only", async () => {
    const { purpose, phoneIndex } = ADDRESS;
    const [unknown, device] = [await opened(), await opened({ device: 'one device' })];
    expect(await store.findOpen(purpose, phoneIndex, null)).toMatchObject([{ id: unknown, device: null }]);
    expect(await store.findOpen(purpose, phoneIndex, 'one device')).toMatchObject([{ id: device }]);
    expect(await store.findOpen(purpose, phoneIndex, 'another device')).toEqual([]);
  });

  describe('the clients of a sign-up', () => {
    const ada = { id: 'a', address: 'hash of an address', name: 'Ada', nth: 1 };
    const by = (client: string, limit = 5) => ({ client, limit, group: null });
    const other = (client: string) => ({ client, limit: 2, group: { name: 'others', limit: 3 } });

    it('are added with each message, and replaced by their id', async () => {
      const id = await opened({ client: ada });
      await store.resend(id, again({ client: { ...ada, id: 'b', name: null } }));
      await store.resend(id, again());
      await store.resend(id, again({ client: { ...ada, name: 'Ada "L." 🦊' } }));
      expect((await store.find(id))?.clients).toEqual({
        a: { address: ada.address, name: 'Ada "L." 🦊', nth: 1 },
        b: { address: ada.address, name: null, nth: 1 },
      });
    });

    it('have attempts of their own, however parallel', async () => {
      const id = await opened({ client: ada });
      const granted = await Promise.all(
        times(60, (i) => store.attempt(id, by(i % 2 ? 'one' : 'another', i % 2 ? 5 : 4))),
      );
      expect(granted.filter(Boolean)).toHaveLength(9);
      expect(await store.find(id)).toMatchObject({
        status: 'pending',
        attemptsLeft: 5,
        attemptsBy: { one: 5, another: 4 },
      });
    });

    it('share the attempts of their group, however parallel', async () => {
      const id = await opened({ client: ada });
      const granted = await Promise.all(times(40, (i) => store.attempt(id, other(`other ${i % 4}`))));
      expect(granted.filter(Boolean)).toHaveLength(3);
      expect(await store.attempt(id, by('owner'))).not.toBeNull();
    });

    it('get their attempt back when they claim', async () => {
      const id = await opened({ client: ada });
      for (const who of [other('other'), by('owner', 1)]) {
        await store.attempt(id, who);
        expect(await store.claim(id, 60_000, who)).toBe(true);
        await store.release(id);
      }
      expect(await store.find(id)).toMatchObject({
        attemptsLeft: 5,
        attemptsBy: { other: 0, others: 0, owner: 0 },
      });
      expect(await store.attempt(id, by('owner', 1))).not.toBeNull();
    });
  });

  it('takes no codes once it is exhausted, and leaves a closed verification unchanged', async () => {
    const id = await opened();
    await store.exhaust(id);
    expect(await store.attempt(id)).toBeNull();
    expect(await store.resend(id, again())).toBeNull();
    expect(await store.find(id)).toMatchObject({ status: 'max_attempts_reached', attemptsLeft: 0 });
    const canceled = await opened();
    await store.cancel(canceled);
    await store.exhaust(canceled);
    await expectClosed(canceled, 'canceled');
    await store.exhaust(newVerificationId());
  });

  it('finds and changes nothing for an unknown id', async () => {
    const id = newVerificationId();
    await store.approve(id);
    await store.release(id);
    expect(await store.changeDelivery(id, 1, CHANGE)).toBeNull();
    expect(await store.find(id)).toBeNull();
    expect(await store.attempt(id)).toBeNull();
    expect(await store.resend(id, again())).toBeNull();
    expect(await store.claim(id, 1_000)).toBe(false);
    expect(await store.cancel(id)).toBe(false);
    expect(await store.find(id)).toBeNull();
  });

  describe('attempt', () => {
    it('grants no more attempts than allowed, however parallel', async () => {
      const id = await opened({ maxAttempts: 5 });
      const granted = await Promise.all(times(50, () => store.attempt(id)));
      const left = granted.flatMap((row) => row?.attemptsLeft ?? []);
      expect(left.sort()).toEqual([0, 1, 2, 3, 4]);
    });

    it('grants no more attempts than allowed in two processes, to many verifications at once', async () => {
      const ids = await Promise.all(times(12, () => opened({ maxAttempts: 5 })));
      const tries = (by: VerificationStore, of: VerificationId[]) =>
        of.map(async (id) => ({ id, row: await by.attempt(id) }));
      const rounds = times(5, () => [...tries(store, ids), ...tries(server.other, ids.toReversed())]);
      const granted = (await Promise.all(rounds.flat())).filter(({ row }) => row !== null);
      for (const id of ids) {
        const left = granted.filter((each) => each.id === id).map(({ row }) => row?.attemptsLeft);
        expect(left.sort()).toEqual([0, 1, 2, 3, 4]);
      }
    });

    it('is not overtaken by an exhaustion that comes after it', async () => {
      const id = await opened({ maxAttempts: 5 });
      const [first, second] = [store.attempt(id), store.attempt(id)];
      const closed = store.exhaust(id);
      const late = store.attempt(id);
      expect(await Promise.all([first, second])).toMatchObject([{ attemptsLeft: 4 }, { attemptsLeft: 3 }]);
      await closed;
      expect(await late).toBeNull();
    });

    it('closes the verification with the last attempt', async () => {
      const id = await opened({ maxAttempts: 2 });
      expect(await store.attempt(id)).toMatchObject({ attemptsLeft: 1 });
      expect(await store.find(id)).toMatchObject({ status: 'pending', attemptsLeft: 1 });
      expect(await store.attempt(id)).toMatchObject({ attemptsLeft: 0 });
      expect(await store.attempt(id)).toBeNull();
      expect(await store.resend(id, again())).toBeNull();
      expect(await store.cancel(id)).toBe(false);
      expect(await store.findOpen(ADDRESS.purpose, ADDRESS.phoneIndex, null)).toEqual([]);
      expect(await store.find(id)).toMatchObject({ status: 'max_attempts_reached', attemptsLeft: 0 });
    });

    it('returns the counts, the version of the delivery and the time', async () => {
      const { id, createdAt } = await store.open(verification());
      const group = { name: 'others', limit: 9 };
      const first = await store.attempt(id);
      expect(first).toMatchObject({ attemptsLeft: 4, attemptsBy: {}, version: 1 });
      expect(first?.readAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
      await store.resend(id, again());
      await store.attempt(id, { client: 'one', limit: 5, group });
      const last = await store.attempt(id, { client: 'another', limit: 5, group });
      expect(last).toMatchObject({ attemptsLeft: 4, attemptsBy: { another: 1, others: 2 }, version: 2 });
    });

    it('leaves the attempts of other verifications unchanged', async () => {
      const [id, other] = [await opened(), await opened()];
      await store.attempt(id);
      expect(await store.find(other)).toMatchObject({ attemptsLeft: 5 });
    });
  });

  describe('claim', () => {
    it('succeeds for one of fifty callers', async () => {
      const id = await opened();
      await store.attempt(id);
      const granted = await Promise.all(times(50, () => store.claim(id, 60_000)));
      expect(granted.filter(Boolean)).toHaveLength(1);
    });

    it('restores its attempt, even the last one', async () => {
      const id = await opened({ maxAttempts: 1 });
      await store.attempt(id);
      expect(await store.claim(id, 60_000)).toBe(true);
      expect(await store.find(id)).toMatchObject({ status: 'approved', attemptsLeft: 1 });
    });

    it('blocks all other changes until the lease ends', async () => {
      const id = await opened();
      await store.attempt(id);
      await store.claim(id, 60_000);
      await expectClosed(id, 'approved');
    });

    it('makes the code valid again when it is released', async () => {
      const id = await opened({ maxAttempts: 1 });
      await store.attempt(id);
      await store.claim(id, 60_000);
      await store.release(id);
      expect(await store.find(id)).toMatchObject({ status: 'pending', attemptsLeft: 1 });
      expect(await store.findOpen(ADDRESS.purpose, ADDRESS.phoneIndex, null)).toMatchObject([{ id }]);
      expect(await store.attempt(id)).not.toBeNull();
      expect(await store.claim(id, 60_000)).toBe(true);
    });

    it('makes the code valid again when its caller died', async () => {
      const id = await opened({ maxAttempts: 1 });
      await store.attempt(id);
      await store.claim(id, 200);
      await waitFor('the end of the lease', () => store.attempt(id));
      expect(await store.claim(id, 60_000)).toBe(true);
    });

    it('stays approved after the lease ends', async () => {
      const id = await opened();
      await store.attempt(id);
      await store.claim(id, 1);
      await waitFor('the end of the lease', async () => (await store.find(id))?.status === 'pending');
      await store.approve(id);
      await store.release(id);
      await expectClosed(id, 'approved');
    });

    it('stays approved after the code expires', async () => {
      const id = await waitFor('a claim before the expiry', async () => {
        const id = await opened({ ttlMs: 500 });
        await store.attempt(id);
        return (await store.claim(id, 60_000)) && id;
      });
      await waitFor('the expiry', async () => {
        const row = await store.find(id);
        return row && Date.now() > row.expiresAt.getTime();
      });
      expect(await store.find(id)).toMatchObject({ status: 'approved' });
      await store.approve(id);
      await expectClosed(id, 'approved');
    });
  });

  it('takes no codes after its expiry, and can still be read', async () => {
    const id = await opened({ ttlMs: 100 });
    await waitFor('the expiry', async () => (await store.find(id))?.status === 'expired');
    await expectClosed(id, 'expired');
  });

  describe('resend', () => {
    it('replaces the language when one is given, and keeps it otherwise', async () => {
      const id = await opened();
      expect(await store.resend(id, again({ locale: 'fr' }))).toMatchObject({ locale: 'fr' });
      expect(await store.resend(id, again())).toMatchObject({ locale: 'fr' });
    });

    it('replaces the name when one is given, and keeps it otherwise', async () => {
      const { id } = await store.open(verification({ name: 'Ada' }));
      expect(await store.resend(id, again({ name: 'Grace' }))).toMatchObject({ name: 'Grace' });
      expect(await store.resend(id, again())).toMatchObject({ name: 'Grace' });
    });

    it('replaces the app hash when one is given, and keeps it otherwise', async () => {
      const { id } = await store.open(verification({ appHash: 'FA+9qCX9VSu' }));
      expect(await store.resend(id, again())).toMatchObject({ appHash: 'FA+9qCX9VSu' });
      expect(await store.resend(id, again({ appHash: 'AbCdEfGhIjK' }))).toMatchObject({
        appHash: 'AbCdEfGhIjK',
      });
      expect(await store.find(id)).toMatchObject({ appHash: 'AbCdEfGhIjK' });
    });

    it('counts messages, and resets the delivery state', async () => {
      const first = await store.open(verification());
      await store.attempt(first.id);
      await record(first.id, { ...CHANGE, addsMessage: false, fallback: 'none' });
      const second = await store.resend(
        first.id,
        again({ resendAfterMs: 120_000, route: WHATSAPP, hasFallback: true }),
      );
      expect(second).toEqual({
        ...first,
        readAt: expect.any(Date),
        route: WHATSAPP,
        attemptsLeft: 4,
        messageCount: 2,
        charges: ['none', 'none'],
        resendAt: expect.any(Date),
        delivery: {
          ...first.delivery,
          ...{ firstMessage: 2, fallback: 'open', version: 3 },
          ...{ requestedAt: expect.any(Date), updatedAt: expect.any(Date) },
        },
      });
      const { delivery, resendAt } = second as NonNullable<typeof second>;
      expect(resendAt.getTime() - delivery.updatedAt.getTime()).toBeCloseTo(120_000, -1);
      expect(delivery.requestedAt).toEqual(delivery.updatedAt);
      expect(await store.find(first.id)).toEqual({ ...second, readAt: expect.any(Date) });
    });

    it('allows no second fallback', async () => {
      const id = await opened({ hasFallback: true });
      await record(id, { fallback: 'used' });
      expect(await store.resend(id, again({ hasFallback: true }))).toMatchObject({
        delivery: { fallback: 'used' },
      });
    });

    it('numbers concurrent messages without repeats', async () => {
      const id = await opened();
      const resent = await Promise.all(times(20, () => store.resend(id, again())));
      const numbers = resent.map((row) => row?.messageCount);
      expect(new Set(numbers)).toEqual(new Set(times(20, (i) => i + 2)));
    });
  });

  describe('cancel', () => {
    it('closes the verification, and succeeds for one caller', async () => {
      const id = await opened();
      const canceled = await Promise.all(times(20, () => store.cancel(id)));
      expect(canceled.filter(Boolean)).toHaveLength(1);
      await store.approve(id);
      await store.release(id);
      await expectClosed(id, 'canceled');
    });

    it('never succeeds together with a claim', async () => {
      const ids = await Promise.all(times(30, () => opened()));
      const outcomes = await Promise.all(
        ids.map((id, i) =>
          Promise.all(
            i % 2 ? [store.cancel(id), store.claim(id, 60_000)] : [store.claim(id, 60_000), store.cancel(id)],
          ),
        ),
      );
      for (const both of outcomes) expect(both.filter(Boolean)).toHaveLength(1);
    });
  });

  describe('findByNumber', () => {
    it('finds the kept verifications of a number, whatever their purpose, device and status, newest first', async () => {
      const ids = [
        await opened(),
        await opened({ purpose: 'sign_in' }),
        await opened({ device: 'a known device' }),
        await opened({ ttlMs: 1 }),
      ];
      await opened({ phoneIndex: 'index of another number' });
      await store.cancel(ids[0] as VerificationId);

      const found = await waitFor('the expiry', async () => {
        const all = await store.findByNumber(ADDRESS.phoneIndex, 20);
        return all[0]?.status === 'expired' && all;
      });
      expect(found.map(({ id, status }) => [id, status])).toEqual([
        [ids[3], 'expired'],
        [ids[2], 'pending'],
        [ids[1], 'pending'],
        [ids[0], 'canceled'],
      ]);
      expect((await store.findByNumber(ADDRESS.phoneIndex, 2)).map(({ id }) => id)).toEqual([ids[3], ids[2]]);
      expect(await store.findByNumber('index of an unknown number', 20)).toEqual([]);
    });
  });

  describe('deleteByNumber', () => {
    it('deletes the verifications of the number and of no other, whatever their status', async () => {
      const ids = [
        await opened(),
        await opened({ purpose: 'sign_in' }),
        await opened({ device: 'a device' }),
      ];
      const other = await opened({ phoneIndex: 'index of another number' });
      await store.cancel(ids[0] as VerificationId);
      await store.deleteByNumber(ADDRESS.phoneIndex);
      expect(await store.findAll(ids)).toEqual([]);
      expect(await store.findByNumber(ADDRESS.phoneIndex, 20)).toEqual([]);
      expect(await store.findOpen('sign_in', ADDRESS.phoneIndex, null)).toEqual([]);
      expect(await store.find(other)).toMatchObject({ status: 'pending' });
      expect((await store.queuedMessages(-1_000, 10)).map(({ id }) => id)).toEqual([other]);
      await store.deleteByNumber(ADDRESS.phoneIndex);
    });
  });

  describe('findOpen', () => {
    const found = async (purpose = ADDRESS.purpose, phoneIndex: string = ADDRESS.phoneIndex) =>
      (await store.findOpen(purpose, phoneIndex, null))[0]?.id;

    it('finds the newest verification', async () => {
      const older = await opened();
      const newest = await opened();
      await opened({ purpose: 'sign_in' });
      await opened({ phoneIndex: 'index of another number' });
      expect(await found()).toBe(newest);
      await store.attempt(older);
      expect(await found()).toBe(newest);
      const all = await store.findOpen(ADDRESS.purpose, ADDRESS.phoneIndex, null);
      expect(all.map(({ id }) => id)).toEqual([newest, older]);
    });

    it('finds no verification of another number or purpose', async () => {
      await opened({ purpose: 'sign_in' });
      await opened({ phoneIndex: 'index of another number' });
      expect(await found()).toBeUndefined();
    });

    it.each<[string, (id: VerificationId) => Promise<unknown>]>([
      ['canceled', (id) => store.cancel(id)],
      ['claimed', (id) => store.claim(id, 60_000)],
      ['approved', (id) => store.claim(id, 60_000).then(() => store.approve(id))],
      ['out of attempts', (id) => Promise.all(times(5, () => store.attempt(id)))],
    ])('skips a verification that is %s', async (_, close) => {
      const older = await opened();
      await close(await opened());
      expect(await found()).toBe(older);
      await close(older);
      expect(await found()).toBeUndefined();
    });

    it('skips an expired verification', async () => {
      const older = await opened();
      const newest = await opened({ ttlMs: 100 });
      await waitFor('the expiry', async () => (await store.find(newest))?.status === 'expired');
      expect(await found()).toBe(older);
    });
  });

  describe('changeDelivery', () => {
    it('writes the whole state', async () => {
      const before = await store.open(verification());
      await waitFor('the next millisecond', () => Date.now() > before.createdAt.getTime() + 1);
      const changedAt = await store.changeDelivery(before.id, 1, CHANGE);
      const { route, addsMessage: _, ...delivery } = CHANGE;
      const after = await store.find(before.id);
      expect(after).toEqual({
        ...before,
        readAt: expect.any(Date),
        route,
        messageCount: 2,
        charges: ['none', 'none'],
        delivery: {
          ...{ ...before.delivery, ...delivery, version: 2 },
          ...{ requestedAt: changedAt, updatedAt: changedAt },
        },
      });
      expect(changedAt?.getTime()).toBeGreaterThan(before.createdAt.getTime());
      await store.changeDelivery(before.id, 2, { ...CHANGE, reason: null, providerId: null });
      expect(await store.find(before.id)).toMatchObject({
        messageCount: 3,
        delivery: { reason: null, providerId: null, version: 3 },
      });
    });

    it('succeeds for one of many concurrent writers of one version', async () => {
      const id = await opened();
      const changed = await Promise.all(times(20, () => store.changeDelivery(id, 1, CHANGE)));
      expect(changed.filter(Boolean)).toHaveLength(1);
      expect(await store.find(id)).toMatchObject({ messageCount: 2, delivery: { version: 2 } });
      await store.resend(id, again());
      expect(await store.changeDelivery(id, 2, CHANGE)).toBeNull();
    });

    it.each([true, false])(
      'is returned by the service as it is read (another message: %s)',
      async (addsMessage) => {
        const service = serviceOn(store);
        const before = await service.get(await opened({ ...sealedNumber(), charge: 'first' }));
        const change = { ...CHANGE, addsMessage, charge: addsMessage ? 'second' : null };
        const after = await service.changeDelivery(before, change);
        expect(after?.messageCount).toBe(addsMessage ? 2 : 1);
        expect(await service.get(before.id)).toEqual({ ...after, readAt: expect.any(Date) });
      },
    );

    it('changes the delivery of a closed verification too', async () => {
      const id = await opened();
      await store.cancel(id);
      await record(id, { status: 'failed' });
      expect(await store.find(id)).toMatchObject({ status: 'canceled', delivery: { status: 'failed' } });
    });
  });

  describe('overdue', () => {
    it('lists verifications with an unsent message that may fall back', async () => {
      const open = { hasFallback: true };
      const [queued, accepted] = [await opened(open), await opened(open)];
      const [sent, failed, used, never] = [
        await opened(open),
        await opened(open),
        await opened(open),
        await opened(),
      ];
      await record(accepted, { status: 'accepted' });
      await record(sent, { status: 'sent' });
      await record(failed, { status: 'failed' });
      await record(used, { fallback: 'used', addsMessage: true });
      expect(await store.find(never)).toMatchObject({ delivery: { fallback: 'none' } });
      // Messages of one millisecond have no order.
      expect(new Set(await store.overdue(0, 10))).toEqual(new Set([queued, accepted]));
      expect(await store.overdue(0, 1)).toHaveLength(1);
      expect(await store.overdue(60_000, 10)).toEqual([]);
    });

    it('counts from the request for the newest message', async () => {
      const id = await opened({ hasFallback: true });
      expect(await waitFor('its age', async () => (await store.overdue(AGE_MS, 10))[0])).toBe(id);
      await record(id, { status: 'accepted' });
      expect(await store.overdue(AGE_MS, 10)).toEqual([id]);
      await record(id, { status: 'queued', addsMessage: true });
      expect(await store.overdue(AGE_MS, 10)).toEqual([]);
      expect(await waitFor('its age', async () => (await store.overdue(AGE_MS, 10))[0])).toBe(id);
      await store.resend(id, again({ hasFallback: true }));
      expect(await store.overdue(AGE_MS, 10)).toEqual([]);
    });
  });

  it('finds all verifications that exist', async () => {
    const ids = [await opened(), newVerificationId(), await opened()];
    const found = await store.findAll(ids);
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set([ids[0], ids[2]]));
    expect(await store.find(found[0]?.id as VerificationId)).toEqual({
      ...found[0],
      readAt: expect.any(Date),
    });
    expect(await store.findAll([])).toEqual([]);
  });

  describe('queuedMessages', () => {
    it('lists queued messages, including those of a closed verification', async () => {
      const [first, second, third] = [await opened(), await opened(), await opened()];
      await store.cancel(second);
      const all = [first, second, third].map((id) => ({ id, messageNumber: 1 }));
      // Messages of one millisecond have no order.
      expect(new Set(await store.queuedMessages(0, 10))).toEqual(new Set(all));
      expect(await store.queuedMessages(0, 2)).toHaveLength(2);
      expect(await store.queuedMessages(60_000, 10)).toEqual([]);
    });

    it('lists the oldest first', async () => {
      const first = await store.open(verification());
      await waitFor('the next millisecond', () => Date.now() > first.createdAt.getTime() + 1);
      const second = await opened();
      expect((await store.queuedMessages(0, 10)).map(({ id }) => id)).toEqual([first.id, second]);
      expect((await store.queuedMessages(0, 1)).map(({ id }) => id)).toEqual([first.id]);
    });

    it('lists every message once in pages', async () => {
      const all = await Promise.all(times(5, () => opened()));
      const pages = [await store.queuedMessages(0, 2), await store.queuedMessages(0, 2, 2)];
      pages.push(await store.queuedMessages(0, 2, 4), await store.queuedMessages(0, 2, 6));
      expect(pages.map(({ length }) => length)).toEqual([2, 2, 1, 0]);
      expect(pages.flatMap((page) => page.map(({ id }) => id)).sort()).toEqual(all.sort());
    });

    it('lists a message once it is old enough', async () => {
      const id = await opened();
      expect(await store.queuedMessages(AGE_MS, 10)).toEqual([]);
      expect(await waitFor('its age', async () => (await store.queuedMessages(AGE_MS, 10))[0])).toEqual({
        id,
        messageNumber: 1,
      });
    });

    it('drops a message that is sent, failed or replaced', async () => {
      const [settled, replaced] = [await opened(), await opened()];
      await record(settled, { status: 'failed' });
      await store.resend(replaced, again());
      expect(await store.queuedMessages(0, 10)).toEqual([{ id: replaced, messageNumber: 2 }]);
      await record(replaced, { addsMessage: true });
      expect(await store.queuedMessages(0, 10)).toEqual([{ id: replaced, messageNumber: 3 }]);
      await record(replaced, { status: 'sent' });
      expect(await store.queuedMessages(0, 10)).toEqual([]);
    });
  });

  it('stores neither a phone number nor a code', async () => {
    const service = serviceOn(store);
    const phoneNumber = NUMBER;
    const request = { codeLength: 10, device: null, ticket: null, ...again() };
    const opened = await service.open({ purpose: 'sign_up', phoneNumber, ...request }, 0);
    await service.resend(opened.id, again());
    const guess = { verification: opened, attempts: null };
    await service.attempt(guess, '0000000000').catch(() => {});
    const proven = await service.attempt(guess, service.codeOf(opened));
    await service.complete(await service.claim(proven), async () => {});
    await record(opened.id, { status: 'sent', providerId: 'SM1' });

    const everything = await server.dump();
    expect(everything).toContain(opened.id);
    expect(everything).not.toContain(phoneNumber.slice(1));
    expect(everything).not.toContain(Buffer.from(phoneNumber).toString('hex'));
    expect(everything).not.toContain(service.codeOf(opened));
  });

  it('keeps verifications that expired less than an hour ago', async () => {
    const id = await opened({ ttlMs: 100 });
    await waitFor('the expiry', async () => (await store.find(id))?.status === 'expired');
    await store.purge();
    expect(await store.find(id)).not.toBeNull();
  });

  describe('without its server', () => {
    let down: Opened;

    beforeAll(async () => {
      down = await open();
      down.wire.cut();
    });
    afterAll(() => down.close());

    const id = newVerificationId();
    it.each<[string, (store: VerificationStore) => Promise<unknown>]>([
      ['open', (store) => store.open(verification())],
      ['find', (store) => store.find(id)],
      ['findOpen', (store) => store.findOpen(ADDRESS.purpose, ADDRESS.phoneIndex, null)],
      ['resend', (store) => store.resend(id, again())],
      ['attempt', (store) => store.attempt(id)],
      ['claim', (store) => store.claim(id, 1_000)],
      ['approve', (store) => store.approve(id)],
      ['release', (store) => store.release(id)],
      ['cancel', (store) => store.cancel(id)],
      ['changeDelivery', (store) => store.changeDelivery(id, 1, CHANGE)],
      ['overdue', (store) => store.overdue(0, 10)],
      ['findAll', (store) => store.findAll([id])],
      ['queuedMessages', (store) => store.queuedMessages(0, 10)],
    ])('throws Unavailable from %s rather than reporting nothing', async (_, ask) => {
      await expect(ask(down.store)).rejects.toThrow(Unavailable);
    });
  });
});

describe('PostgresVerificationStore', () => {
  it('purges only verifications that expired more than an hour ago', async () => {
    const { database, store, close } = await openOnPostgres();
    const ages = {
      '61 minutes': null,
      '59 minutes': 'expired',
      '0 minutes': 'expired',
      '-1 minutes': 'pending',
    };
    const ids = new Map<string, VerificationId>();
    for (const age of Object.keys(ages)) {
      const { id } = await store.open(verification());
      await database.query('update verifications set expires_at = now() - $2::interval where id = $1', [
        id,
        age,
      ]);
      ids.set(age, id);
    }
    await store.purge();
    for (const [age, status] of Object.entries(ages)) {
      const row = await store.find(ids.get(age) as VerificationId);
      expect(row?.status ?? null).toBe(status);
    }
    await close();
  });
});

if (process.env.TEST_REDIS_URL)
  describe('RedisVerificationStore', () => {
    it('gives every key of a verification an expiry', async () => {
      const { redis, store, close } = await openOnRedis();
      const { id } = await store.open(verification({ ttlMs: 60_000 }));
      await store.resend(id, again());
      await store.attempt(id);
      const { delivery } = (await store.find(id)) as StoredVerification;
      await store.changeDelivery(id, delivery.version, { ...CHANGE, addsMessage: false });
      const keys = await redis.keys('*');
      expect(keys).toHaveLength(3); // the verification, and two lists of the newest of its number
      for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
      expect(await redis.pttl(`latchkey:verification:${id}`)).toBeGreaterThan(HOUR);
      await close();
    });

    it('drops the messages of a verification that is gone', async () => {
      const { redis, store, close } = await openOnRedis();
      const { id } = await store.open(verification({ hasFallback: true }));
      await redis.del(`latchkey:verification:${id}`);
      expect(await store.queuedMessages(0, 10)).toEqual([]);
      expect(await store.overdue(0, 10)).toEqual([]);
      expect(await redis.keys('latchkey:un*')).toEqual([]);
      await close();
    });
  });

async function openOnPostgres() {
  const { database, wire, source, close } = await openBreakablePostgres();
  const newStore = () => new PostgresVerificationStore(new Database(source), { name: 'send', maxTries: 1 });
  return {
    database,
    wire,
    store: newStore(),
    other: newStore(),
    dump: async () => JSON.stringify(await database.query('select v::text from verifications v')),
    clear: () => database.query('delete from verifications'),
    close,
  };
}

async function openOnRedis() {
  const { wire, redis, close } = await openBreakableRedis();
  const newStore = () => new RedisVerificationStore(redis, new RedisHealth(redis, { url: wire.url }));
  return {
    redis,
    wire,
    store: newStore(),
    other: newStore(),
    dump: async () => {
      const keys = await redis.keys('*');
      const values = keys.map(async (key) => {
        const type = await redis.type(key);
        if (type === 'hash') return redis.hgetall(key);
        return type === 'zset' ? redis.zrange(key, 0, -1) : redis.lrange(key, 0, -1);
      });
      return JSON.stringify([keys, await Promise.all(values)]);
    },
    clear: () => redis.flushdb(),
    close,
  };
}
