import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CodeRejected, NotFound, Unavailable, VerificationClosed } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TestNumbers } from './test-numbers.js';
import { isVerificationId, newVerificationId, type Verification } from './verification.js';
import { VerificationService } from './verification.service.js';
import { PostgresVerificationStore } from './verification-store.postgres.js';

Logger.overrideLogger(false);

const NUMBER = '+14155550123' as PhoneNumber;
const POLICY = { ttlMs: 60_000, maxAttempts: 5 };
const NONE = new TestNumbers({}, null);
const ROUTE = { channel: 'sms', sender: 'twilio', hasFallback: false };
/** So long that two codes are equal by mistake only. */
const CODE_LENGTH = 10;

const old = nameSecret('the secret of last year, long enough');
const current = nameSecret('the secret of this year, long enough');

describe('VerificationService', () => {
  const dataKey = randomBytes(32);
  let server: TestDatabase;
  let source: DataSource;
  let store: PostgresVerificationStore;
  let service: VerificationService;

  beforeAll(async () => {
    server = await freshDatabase();
    source = await new DataSource({ type: 'postgres', url: server.url, poolSize: 10 }).initialize();
    store = new PostgresVerificationStore(new Database(source));
    service = serviceWith(new Keys(dataKey, current));
  });
  beforeEach(() => server.query('delete from verifications'));
  afterAll(async () => {
    await source.destroy();
    await server.drop();
  });

  const serviceWith = (keys: Keys, testNumbers = NONE) =>
    new VerificationService(store, keys, POLICY, testNumbers);

  function open(by = service, phoneNumber = NUMBER): Promise<Verification> {
    const asked = { name: 'Ada', locale: 'en', codeLength: CODE_LENGTH, device: null, ticket: null };
    return by.open({ purpose: 'sign_up', phoneNumber, ...ROUTE, ...asked }, 30_000);
  }

  const settled = async ({ phoneNumber }: Verification) => `a session for ${phoneNumber}`;

  it('opens a verification of the number, by the policy', async () => {
    const opened = await open();
    expect(opened).toMatchObject({
      phoneNumber: NUMBER,
      purpose: 'sign_up',
      name: 'Ada',
      locale: 'en',
      channel: 'sms',
      codeLength: CODE_LENGTH,
      attemptsLeft: 5,
      secretId: current.id,
      status: 'pending',
    });
    expect(isVerificationId(opened.id)).toBe(true);
    expect(opened.expiresAt.getTime() - opened.createdAt.getTime()).toBe(60_000);
    expect(await service.get(opened.id)).toEqual(opened);
    expect(await service.findOpen('sign_up', NUMBER, null)).toEqual(opened);
    expect(await service.findOpen('sign_in', NUMBER, null)).toBeNull();
    expect(await service.findOpen('sign_up', '+14155550124' as PhoneNumber, null)).toBeNull();
  });

  it('leaves no attempt behind for the moment in which a store that hangs wakes up', async () => {
    const opened = await open();
    class Hanging extends PostgresVerificationStore {
      override find = async () => {
        throw new Unavailable('postgres');
      };
    }
    const hanging = new VerificationService(
      new Hanging(new Database(source)),
      new Keys(dataKey, current),
      POLICY,
      NONE,
    );
    const check = hanging.check(opened.id, service.codeOf(opened), settled);
    await expect(check).rejects.toBeInstanceOf(Unavailable);
    expect(await service.get(opened.id)).toMatchObject({ attemptsLeft: 5 });
  });

  it('takes the word of whoever settles that the code has borne fruit before', async () => {
    const opened = await open();
    const check = service.check(opened.id, service.codeOf(opened), async () => {
      throw new VerificationClosed('approved');
    });
    await expect(check).rejects.toBeInstanceOf(VerificationClosed);
    expect(await service.get(opened.id)).toMatchObject({ status: 'approved' });
    expect(await service.findOpen('sign_up', NUMBER, null)).toBeNull();
  });

  it('corrects the name with a resend, if one is given', async () => {
    const { id } = await open();
    expect(await service.resend(id, { ...ROUTE, resendAfterMs: 0, name: 'Grace' })).toMatchObject({
      name: 'Grace',
    });
    expect(await service.resend(id, { ...ROUTE, resendAfterMs: 0 })).toMatchObject({ name: 'Grace' });
  });

  describe('the code', () => {
    it.each([6, 7, 8, 9])('has %d digits', async (codeLength) => {
      const opened = await open();
      expect(service.codeOf({ ...opened, codeLength })).toMatch(new RegExp(`^\\d{${codeLength}}$`));
    });

    it('is the same in every message', async () => {
      const opened = await open();
      const resent = await service.resend(opened.id, { ...ROUTE, resendAfterMs: 30_000 });
      expect(resent.sends).toBe(2);
      expect(service.codeOf(resent)).toBe(service.codeOf(opened));
      expect(serviceWith(new Keys(dataKey, current)).codeOf(opened)).toBe(service.codeOf(opened));
    });

    it('is another one for each verification of one number', async () => {
      const [first, second] = [await open(), await open()];
      expect(service.codeOf(first)).not.toBe(service.codeOf(second));
      await expect(service.check(second.id, service.codeOf(first), settled)).rejects.toThrow(CodeRejected);
    });

    it('is bound to the number and to the secret', async () => {
      const opened = await open();
      const elsewhere = { ...opened, phoneNumber: '+14155550124' as PhoneNumber };
      expect(service.codeOf(elsewhere)).not.toBe(service.codeOf(opened));
      const another = serviceWith(new Keys(dataKey, old));
      expect(another.codeOf({ ...opened, secretId: old.id })).not.toBe(service.codeOf(opened));
    });
  });

  describe('check', () => {
    it('trades the right code once', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      expect(await service.check(opened.id, code, settled)).toBe(`a session for ${NUMBER}`);
      await expect(service.check(opened.id, code, settled)).rejects.toThrow(VerificationClosed);
      expect(await service.get(opened.id)).toMatchObject({ status: 'approved', attemptsLeft: 5 });
    });

    it('trades the right code once, however many bring it at once', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const checks = Array.from({ length: 50 }, () => service.check(opened.id, code, settled));
      const outcomes = await Promise.allSettled(checks);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('reads the code the way a person types it', async () => {
      const opened = await open();
      const typed = service
        .codeOf(opened)
        .toLowerCase()
        .replace(/^(.{3})(.*)/, ' $1-$2 ');
      expect(await service.check(opened.id, typed, settled)).toBe(`a session for ${NUMBER}`);
    });

    it('counts wrong codes, tells how many are left, and takes none after the last', async () => {
      const opened = await open();
      const settle = jest.fn(settled);
      for (const left of [4, 3, 2, 1, 0]) {
        const rejection = await service.check(opened.id, '0', settle).catch((error) => error);
        expect(rejection).toBeInstanceOf(CodeRejected);
        expect(rejection.extensions).toEqual({ attempts_left: left });
      }
      const closed = await service
        .check(opened.id, service.codeOf(opened), settle)
        .catch((error: unknown) => error);
      expect(closed).toBeInstanceOf(VerificationClosed);
      expect(closed).toMatchObject({ extensions: { verification_status: 'max_attempts_reached' } });
      expect(settle).not.toHaveBeenCalled();
    });

    it('asks whether there may be a guess before anything is compared', async () => {
      const opened = await open();
      const asked = jest.fn(async (_: Verification) => true);
      expect(await service.check(opened.id, service.codeOf(opened), settled, asked)).toMatch(NUMBER);
      expect(asked).toHaveBeenCalledTimes(1);
      expect(asked.mock.calls[0]?.[0]).toMatchObject({ id: opened.id, attemptsLeft: 5 });
    });

    it('ends when there may be no guess at it any more, with the right code too', async () => {
      const opened = await open();
      const check = service.check(opened.id, service.codeOf(opened), settled, async () => false);
      await expect(check).rejects.toThrow(VerificationClosed);
      expect(await service.get(opened.id)).toMatchObject({ status: 'max_attempts_reached' });
    });

    it('counts no attempt when nobody can tell whether there may be a guess', async () => {
      const opened = await open();
      const failure = new Unavailable('postgres');
      const check = service.check(opened.id, '0', settled, () => Promise.reject(failure));
      await expect(check).rejects.toBe(failure);
      expect(await service.get(opened.id)).toMatchObject({ status: 'pending', attemptsLeft: 5 });
    });

    it('gives the code back when nothing came of it', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const failure = new Unavailable('postgres');
      await expect(service.check(opened.id, code, () => Promise.reject(failure))).rejects.toBe(failure);
      expect(await service.get(opened.id)).toMatchObject({ status: 'pending', attemptsLeft: 5 });
      expect(await service.check(opened.id, code, settled)).toBe(`a session for ${NUMBER}`);
    });

    it('lets nobody else use the code while something comes of it', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      await service.check(opened.id, code, async () => {
        await expect(service.check(opened.id, code, settled)).rejects.toThrow(VerificationClosed);
        await expect(service.resend(opened.id, { ...ROUTE, resendAfterMs: 0 })).rejects.toThrow(
          VerificationClosed,
        );
      });
    });

    it('hands over what came of it even when that cannot be written down', async () => {
      const opened = await open();
      const forgetful = new (class extends PostgresVerificationStore {
        override approve = () => Promise.reject(new Unavailable('postgres'));
      })(new Database(source));
      const another = new VerificationService(forgetful, new Keys(dataKey, current), POLICY, NONE);
      expect(await another.check(opened.id, service.codeOf(opened), settled)).toBe(`a session for ${NUMBER}`);
    });
  });

  it.each<[string, (id: Verification['id']) => Promise<unknown>]>([
    ['get', (id) => service.get(id)],
    ['resend', (id) => service.resend(id, { ...ROUTE, resendAfterMs: 0 })],
    ['check', (id) => service.check(id, '123456', settled)],
    ['cancel', (id) => service.cancel(id)],
  ])('says to %s that an unknown id is not found', async (_, ask) => {
    await expect(ask(newVerificationId())).rejects.toThrow(NotFound);
  });

  it('cancels for good', async () => {
    const opened = await open();
    const code = service.codeOf(opened);
    await service.cancel(opened.id);
    await expect(service.check(opened.id, code, settled)).rejects.toThrow(VerificationClosed);
    await expect(service.resend(opened.id, { ...ROUTE, resendAfterMs: 0 })).rejects.toThrow(
      VerificationClosed,
    );
    await expect(service.cancel(opened.id)).rejects.toThrow(VerificationClosed);
  });

  describe('of a test number', () => {
    const UNTIL = Date.parse('2027-01-01T00:00:00Z');
    const tested = () =>
      serviceWith(new Keys(dataKey, current), new TestNumbers({ [NUMBER]: '24681357' }, UNTIL));
    afterEach(() => jest.restoreAllMocks());

    it('takes its own code, and counts attempts as ever', async () => {
      const opened = await open(tested());
      expect(opened.codeLength).toBe(8);
      expect(tested().codeOf(opened)).toBe('24681357');
      for (let left = 4; left >= 0; left -= 1) {
        await expect(tested().check(opened.id, '00000000', settled)).rejects.toMatchObject({
          extensions: { attempts_left: left },
        });
      }
      await expect(tested().check(opened.id, '24681357', settled)).rejects.toThrow(VerificationClosed);
      const another = await open(tested());
      expect(await tested().check(another.id, '24681357', settled)).toBe(`a session for ${NUMBER}`);
    });

    it('gives no other number that code', async () => {
      const opened = await open(tested(), '+14155550124' as PhoneNumber);
      expect(opened.codeLength).toBe(CODE_LENGTH);
      expect(tested().codeOf(opened)).not.toBe('24681357');
    });

    it('derives its codes like any other once its time is over', async () => {
      const opened = await open(tested());
      jest.spyOn(Date, 'now').mockReturnValue(UNTIL);
      expect(tested().codeOf(opened)).toHaveLength(8);
      expect(tested().codeOf(opened)).not.toBe('24681357');
    });
  });

  describe('that hears of its messages', () => {
    const call = { kind: 'fallback', channel: 'call', sender: 'twilio' } as const;
    const openWithFallback = () => {
      const asked = { ...ROUTE, hasFallback: true, codeLength: 6, device: null, ticket: null };
      return service.open({ purpose: 'sign_in', phoneNumber: NUMBER, ...asked }, 0);
    };

    it('asks for a remedy once, of many reports at once', async () => {
      const { id } = await openWithFallback();
      const report = { send: 1, status: 'failed', reason: 'provider' } as const;
      const changes = await Promise.all(
        Array.from({ length: 20 }, () => service.report(id, report, async () => call)),
      );
      const [change, ...others] = changes.filter(Boolean);
      expect(others).toEqual([]);
      expect(change).toMatchObject({ before: { sends: 1 }, after: { sends: 2, channel: 'call' } });
      expect(await service.get(id)).toMatchObject({ sends: 2, delivery: { fallback: 'used' } });
    });

    it('asks for no remedy when it hears nothing new', async () => {
      const { id } = await openWithFallback();
      await service.report(id, { send: 1, status: 'delivered' }, neverAsked);
      expect(await service.report(id, { send: 1, status: 'failed' }, neverAsked)).toBeNull();
      expect(await service.report(id, { send: 2, status: 'failed' }, neverAsked)).toBeNull();
    });

    it('falls back when nothing was heard in time, and looks no further when there is no way', async () => {
      const [first, second] = [await openWithFallback(), await openWithFallback()];
      expect(await service.fallBack(first.id, 60_000, neverAsked)).toBeNull();
      expect(await service.fallBack(first.id, 0, async () => call)).toMatchObject({ after: { sends: 2 } });
      expect(await service.fallBack(first.id, 0, neverAsked)).toBeNull();
      expect(await service.fallBack(second.id, 0, async () => null)).toBeNull();
      expect(await service.get(second.id)).toMatchObject({ sends: 1, delivery: { fallback: 'none' } });
    });

    async function neverAsked(): Promise<null> {
      throw new Error('nobody should ask for a remedy');
    }
  });

  describe('when SECRET is replaced', () => {
    it('still takes a code that was made under the previous one', async () => {
      const before = serviceWith(new Keys(dataKey, old));
      const opened = await open(before);
      const after = serviceWith(new Keys(dataKey, current, old));
      expect(after.codeOf(await after.get(opened.id))).toBe(before.codeOf(opened));
      expect(await after.check(opened.id, before.codeOf(opened), settled)).toBe(`a session for ${NUMBER}`);
      expect((await open(after)).secretId).toBe(current.id);
    });

    it('cannot judge a code whose secret is gone, and does not call it wrong', async () => {
      const before = serviceWith(new Keys(dataKey, old));
      const opened = await open(before);
      await expect(service.check(opened.id, before.codeOf(opened), settled)).rejects.toThrow(Unavailable);
    });
  });
});
