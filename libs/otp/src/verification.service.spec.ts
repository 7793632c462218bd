import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CodeRejected, NotFound, Unavailable, VerificationClosed } from '#errors';
import { Keys, nameSecret } from '#keys';
import { inOwnLogContext, logMembers } from '#logging';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TestNumbers } from './test-numbers.js';
import {
  isVerificationId,
  newVerificationId,
  referenceOf,
  type Verification,
  type VerificationId,
} from './verification.js';
import { VerificationService } from './verification.service.js';
import { PostgresVerificationStore } from './verification-store.postgres.js';

Logger.overrideLogger(false);

const NUMBER = '+14155550123' as PhoneNumber;
const POLICY = { ttlMs: 60_000, maxAttempts: 5 };
const NONE = new TestNumbers({}, null);
const ROUTE = { route: { channel: 'sms', provider: 'twilio' }, hasFallback: false } as const;
/** Long enough that two codes are never equal by chance. */
const CODE_LENGTH = 10;
const TASK = { name: 'send-code', maxTries: 1 };
const SESSION = 'a session';

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
    store = new PostgresVerificationStore(new Database(source), TASK);
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
    const details = { name: 'Ada', locale: 'en', codeLength: CODE_LENGTH, device: null, ticket: null };
    return by.open({ purpose: 'sign_up', phoneNumber, ...ROUTE, ...details }, 30_000);
  }

  const guess = (verification: Verification, code: string) =>
    service.attempt({ verification, attempts: null }, code);

  /** The steps of a sign-in after the guess policy admitted the guess. */
  async function check(
    id: VerificationId,
    code: string,
    {
      by = service,
      work = async () => SESSION,
    }: { by?: VerificationService; work?: () => Promise<string> } = {},
  ): Promise<string> {
    const verification = await by.getPending(id);
    const proven = await by.attempt({ verification, attempts: null }, code);
    return by.complete(await by.claim(proven), work);
  }

  /** A service whose store records no approval. */
  function forgetful(): VerificationService {
    const failing = new (class extends PostgresVerificationStore {
      override approve = () => Promise.reject(new Unavailable('postgres'));
    })(new Database(source), TASK);
    return new VerificationService(failing, new Keys(dataKey, current), POLICY, NONE);
  }

  it('opens a verification by the policy', async () => {
    const opened = await open();
    expect(opened).toMatchObject({
      phoneNumber: NUMBER,
      purpose: 'sign_up',
      name: 'Ada',
      locale: 'en',
      route: ROUTE.route,
      codeLength: CODE_LENGTH,
      attemptsLeft: 5,
      secretId: current.id,
      status: 'pending',
    });
    expect(isVerificationId(opened.id)).toBe(true);
    expect(opened.expiresAt.getTime() - opened.createdAt.getTime()).toBe(60_000);
    const readAgain = { ...opened, readAt: expect.any(Date) };
    expect(await service.get(opened.id)).toEqual(readAgain);
    expect(await service.findOpen('sign_up', NUMBER, null)).toEqual([readAgain]);
    expect(await service.findOpen('sign_in', NUMBER, null)).toEqual([]);
    expect(await service.findOpen('sign_up', '+14155550124' as PhoneNumber, null)).toEqual([]);
  });

  it('uses no attempt when reading from a store that hangs', async () => {
    const opened = await open();
    class Hanging extends PostgresVerificationStore {
      override find = async () => {
        throw new Unavailable('postgres');
      };
    }
    const hanging = new VerificationService(
      new Hanging(new Database(source), TASK),
      new Keys(dataKey, current),
      POLICY,
      NONE,
    );
    await expect(check(opened.id, service.codeOf(opened), { by: hanging })).rejects.toThrow(Unavailable);
    expect(await service.get(opened.id)).toMatchObject({ attemptsLeft: 5 });
  });

  it('approves the verification when the work reports that a session exists already', async () => {
    const opened = await open();
    const work = () => Promise.reject(new VerificationClosed('approved'));
    await expect(check(opened.id, service.codeOf(opened), { work })).rejects.toThrow(VerificationClosed);
    expect(await service.get(opened.id)).toMatchObject({ status: 'approved' });
    expect(await service.findOpen('sign_up', NUMBER, null)).toEqual([]);
  });

  it('replaces the name with a resend that has one', async () => {
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
      expect(resent.messageCount).toBe(2);
      expect(service.codeOf(resent)).toBe(service.codeOf(opened));
      expect(serviceWith(new Keys(dataKey, current)).codeOf(opened)).toBe(service.codeOf(opened));
    });

    it('differs between verifications of one number', async () => {
      const [first, second] = [await open(), await open()];
      expect(service.codeOf(first)).not.toBe(service.codeOf(second));
      await expect(check(second.id, service.codeOf(first))).rejects.toThrow(CodeRejected);
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
    it('accepts the right code once', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      expect(await check(opened.id, code)).toBe(SESSION);
      // Nothing to release: it is approved, not claimed.
      await store.release(opened.id);
      await expect(check(opened.id, code)).rejects.toThrow(VerificationClosed);
      expect(await service.get(opened.id)).toMatchObject({ status: 'approved', attemptsLeft: 5 });
    });

    it('accepts the right code from one of fifty concurrent callers', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const checks = Array.from({ length: 50 }, () => check(opened.id, code));
      const outcomes = await Promise.allSettled(checks);
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    it('ignores spaces, hyphens and case', async () => {
      const opened = await open();
      const typed = service
        .codeOf(opened)
        .toLowerCase()
        .replace(/^(.{3})(.*)/, ' $1-$2 ');
      expect(await check(opened.id, typed)).toBe(SESSION);
    });

    it('counts wrong codes, reports the attempts left, and takes no code after the last', async () => {
      const opened = await open();
      const work = jest.fn(async () => SESSION);
      for (const left of [4, 3, 2, 1, 0]) {
        const rejection = await check(opened.id, '0', { work }).catch((error) => error);
        expect(rejection).toBeInstanceOf(CodeRejected);
        expect(rejection.extensions).toEqual({ attempts_left: left });
      }
      const code = service.codeOf(opened);
      const closed = await check(opened.id, code, { work }).catch((error: unknown) => error);
      expect(closed).toBeInstanceOf(VerificationClosed);
      expect(closed).toMatchObject({ extensions: { verification_status: 'max_attempts_reached' } });
      expect(work).not.toHaveBeenCalled();
    });

    it('refuses the right code once it is exhausted', async () => {
      const opened = await open();
      await expect(service.exhaust(opened.id)).rejects.toThrow(VerificationClosed);
      await expect(check(opened.id, service.codeOf(opened))).rejects.toThrow(VerificationClosed);
      expect(await service.get(opened.id)).toMatchObject({ status: 'max_attempts_reached' });
    });

    it('makes the code valid again when the work fails', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const failure = new Unavailable('postgres');
      await expect(check(opened.id, code, { work: () => Promise.reject(failure) })).rejects.toBe(failure);
      expect(await service.get(opened.id)).toMatchObject({ status: 'pending', attemptsLeft: 5 });
      expect(await check(opened.id, code)).toBe(SESSION);
    });

    it('keeps the code valid, however often the statement that approves it fails', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const failure = new Unavailable('postgres');
      for (let n = 0; n < 7; n += 1) {
        const proven = await guess(opened, code);
        await expect(service.approveBy(proven, () => Promise.reject(failure))).rejects.toBe(failure);
      }
      expect(await service.get(opened.id)).toMatchObject({ status: 'pending', attemptsLeft: 5 });
      expect(await check(opened.id, code)).toBe(SESSION);
    });

    it('approves by no statement once the verification is closed', async () => {
      const opened = await open();
      const proven = await guess(opened, service.codeOf(opened));
      await service.cancel(opened.id);
      await expect(service.approveBy(proven, async () => null)).rejects.toThrow(VerificationClosed);
    });

    it('accepts the code from no other caller during the work', async () => {
      const opened = await open();
      const code = service.codeOf(opened);
      const work = async () => {
        await expect(check(opened.id, code)).rejects.toThrow(VerificationClosed);
        const resend = service.resend(opened.id, { ...ROUTE, resendAfterMs: 0 });
        await expect(resend).rejects.toThrow(VerificationClosed);
        return SESSION;
      };
      expect(await check(opened.id, code, { work })).toBe(SESSION);
    });

    it('returns the result even when the approval cannot be recorded', async () => {
      const opened = await open();
      expect(await check(opened.id, service.codeOf(opened), { by: forgetful() })).toBe(SESSION);
    });

    it('returns no result of work that could be repeated when the approval cannot be recorded', async () => {
      const verification = await open();
      const code = service.codeOf(verification);
      const complete = async (by: VerificationService) => {
        const proven = await by.attempt({ verification, attempts: null }, code);
        return by.completeOnce(await by.claim(proven), async () => SESSION);
      };
      await expect(complete(forgetful())).rejects.toThrow(Unavailable);
      // The claim of the failed check ends by itself; here at once.
      await store.release(verification.id);
      expect(await complete(service)).toBe(SESSION);
      await expect(complete(service)).rejects.toThrow(VerificationClosed);
    });
  });

  describe('attempt', () => {
    const rightCode = (verification: Verification) => guess(verification, service.codeOf(verification));

    it('returns the verification as it is after the attempt', async () => {
      const opened = await open();
      const after = { ...(await rightCode(opened)), provenBy: undefined };
      expect(after).toEqual({ ...opened, attemptsLeft: 4, readAt: expect.any(Date) });
      expect(after.readAt.getTime()).toBeGreaterThanOrEqual(opened.readAt.getTime());
      expect(await service.get(opened.id)).toEqual({ ...after, readAt: expect.any(Date) });
    });

    const resend = ({ id }: Verification) =>
      service.resend(id, { ...ROUTE, resendAfterMs: 0, ticket: 'of the second message' });

    it('returns messages and reports of the time since the verification was read', async () => {
      const opened = await open();
      await resend(opened);
      const proven = await rightCode(opened);
      expect(proven).toMatchObject({ messageCount: 2, tickets: ['of the second message'], attemptsLeft: 4 });
      expect(proven.provenBy).toBeNull();
    });

    it('uses up no attempt of a right code when these cannot be read', async () => {
      const opened = await open();
      await resend(opened);
      const failure = new Unavailable('postgres');
      jest.spyOn(store, 'find').mockRejectedValueOnce(failure);
      await expect(rightCode(opened)).rejects.toBe(failure);
      expect(await service.get(opened.id)).toMatchObject({ status: 'pending', attemptsLeft: 5 });
      jest.restoreAllMocks();
    });

    it('names the verification in the log, however it was found', async () => {
      await open();
      const [found] = await service.findOpen('sign_up', NUMBER, null);
      const members = await inOwnLogContext(async () => {
        await rightCode(found as Verification);
        return logMembers();
      });
      const { id } = found as Verification;
      expect(members).toMatchObject({ verification: referenceOf(id), number_hash: expect.any(String) });
    });
  });

  it.each<[string, (unknown: Verification) => Promise<unknown>]>([
    ['get', ({ id }) => service.get(id)],
    ['resend', ({ id }) => service.resend(id, { ...ROUTE, resendAfterMs: 0 })],
    ['attempt', (verification) => guess(verification, '123456')],
    ['exhaust', ({ id }) => service.exhaust(id)],
    ['cancel', ({ id }) => service.cancel(id)],
  ])('throws NotFound from %s for an unknown id', async (_, ask) => {
    await expect(ask({ ...(await open()), id: newVerificationId() })).rejects.toThrow(NotFound);
  });

  it.each<[string, 'resend' | 'cancel' | 'attempt' | 'claim', (opened: Verification) => Promise<unknown>]>([
    ['a resend', 'resend', ({ id }) => service.resend(id, { ...ROUTE, resendAfterMs: 0 })],
    ['a cancellation', 'cancel', ({ id }) => service.cancel(id)],
    ['an attempt', 'attempt', (verification) => guess(verification, '123456')],
    ['the claim of a right code', 'claim', async (opened) => service.claim({ ...opened, provenBy: null })],
  ])('repeats %s that another check blocks for a moment', async (_, change, act) => {
    const opened = await open();
    // As if the claim of the other check ended between the refusal of the store and the look at the reason.
    jest.spyOn(store, change as 'cancel').mockResolvedValueOnce(null as unknown as boolean);
    const failure = await act(opened).then(
      () => null,
      (error: Error) => error,
    );
    jest.restoreAllMocks();
    if (change === 'attempt') expect(failure).toMatchObject({ extensions: { attempts_left: 4 } });
    else expect(failure).toBeNull();
  });

  it('stays canceled', async () => {
    const opened = await open();
    const code = service.codeOf(opened);
    await service.cancel(opened.id);
    await expect(check(opened.id, code)).rejects.toThrow(VerificationClosed);
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

    it('takes its fixed code, and counts attempts', async () => {
      const opened = await open(tested());
      expect(opened.codeLength).toBe(8);
      expect(tested().codeOf(opened)).toBe('24681357');
      for (let left = 4; left >= 0; left -= 1) {
        await expect(check(opened.id, '00000000', { by: tested() })).rejects.toMatchObject({
          extensions: { attempts_left: left },
        });
      }
      await expect(check(opened.id, '24681357', { by: tested() })).rejects.toThrow(VerificationClosed);
      const another = await open(tested());
      expect(await check(another.id, '24681357', { by: tested() })).toBe(SESSION);
    });

    it('gives its fixed code to no other number', async () => {
      const opened = await open(tested(), '+14155550124' as PhoneNumber);
      expect(opened.codeLength).toBe(CODE_LENGTH);
      expect(tested().codeOf(opened)).not.toBe('24681357');
    });

    it('derives its codes once its end has passed', async () => {
      const opened = await open(tested());
      jest.spyOn(Date, 'now').mockReturnValue(UNTIL);
      expect(tested().codeOf(opened)).toHaveLength(8);
      expect(tested().codeOf(opened)).not.toBe('24681357');
    });
  });

  describe('when SECRET is replaced', () => {
    it('accepts a code derived from the previous one', async () => {
      const before = serviceWith(new Keys(dataKey, old));
      const opened = await open(before);
      const after = serviceWith(new Keys(dataKey, current, old));
      expect(after.codeOf(await after.get(opened.id))).toBe(before.codeOf(opened));
      expect(await check(opened.id, before.codeOf(opened), { by: after })).toBe(SESSION);
      expect((await open(after)).secretId).toBe(current.id);
    });

    it('throws Unavailable, not CodeRejected, for a code whose secret is missing', async () => {
      const before = serviceWith(new Keys(dataKey, old));
      const opened = await open(before);
      await expect(check(opened.id, before.codeOf(opened))).rejects.toThrow(Unavailable);
    });
  });
});
