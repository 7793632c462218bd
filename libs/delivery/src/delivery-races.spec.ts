import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Registry } from 'prom-client';
import { BreakerService, SendPolicyService } from '#abuse';
import { AppModule } from '#app';
import { AuthService } from '#auth';
import { TaskQueue } from '#background';
import { type AppConfig, readConfig } from '#config';
import { Unavailable } from '#errors';
import type { Failure } from '#messaging';
import { type Verification, VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { freshDatabase, freshRedis, modes, type TestDatabase } from '../../../test/support/databases.js';
import { BURST, mapInFlight, times } from '../../../test/support/repeat.js';
import { GENEROUS } from '../../../test/support/settings.js';
import { waitFor } from '../../../test/support/wait.js';
import { BadNumbersRepository } from './bad-numbers.repository.js';
import { DeliveryService } from './delivery.service.js';
import { DeliveryChecks } from './delivery-checks.js';
import type { NumberedReport } from './delivery-state.js';
import { MessageReferences } from './message-references.js';
import { SendCodeTask } from './send-code.task.js';

const NUMBER = '+14155550123' as PhoneNumber;
const SMS = { channel: 'sms', provider: 'twilio' } as const;
const CALL = { channel: 'call', provider: 'twilio' } as const;

const UNREACHABLE: Failure = { code: '30003', reason: 'unreachable', recovery: 'another_channel' };
const TEMPORARY: Failure = { code: '30008', reason: 'provider', recovery: 'same_route' };

/** Enough to race. A busy machine answers `Unavailable` to some of many more, because all of them wait for one row. */
const CONCURRENT = 10;
/** The prices of messages to a US number, in millionths of a US dollar. */
const PRICES = { sms: 8_300, call: 14_000 };

describe.each(modes)('DeliveryService of two replicas on $name', ({ redis }) => {
  let database: TestDatabase;
  let replicas: INestApplicationContext[];

  beforeAll(async () => {
    database = await freshDatabase();
    const config = configOf(database.url, redis ? await freshRedis() : undefined);
    replicas = [await contextOf(config), await contextOf(config)];
  });
  beforeEach(() => database.query('delete from abuse_states'));
  afterAll(async () => {
    for (const replica of replicas) await replica.close();
    await database.drop();
  });

  const on = (n: number) => (replicas[n % replicas.length] as INestApplicationContext).get(DeliveryService);
  const verifications = () => (replicas[0] as INestApplicationContext).get(VerificationService);

  function open(paid: { charge?: string | null; ticket?: string | null } = {}): Promise<Verification> {
    const request = { purpose: 'sign_in', phoneNumber: NUMBER, route: SMS, hasFallback: true } as const;
    return verifications().open({ ...request, codeLength: 6, device: null, ticket: null, ...paid }, 30_000);
  }

  const sendPolicy = () => (replicas[0] as INestApplicationContext).get(SendPolicyService);
  const sendTask = () => (replicas[0] as INestApplicationContext).get(SendCodeTask);

  /** Opens a verification whose message is paid for. */
  async function openPaid(): Promise<Verification> {
    const charge = await sendPolicy().admitFallback(NUMBER, { device: null, tickets: [] }, SMS);
    return open({ charge });
  }

  /** Reports the same state to both replicas, many times at once. */
  function reportConcurrently({ id }: Verification, report: NumberedReport): Promise<unknown> {
    return Promise.all(Array.from({ length: CONCURRENT }, (_, n) => on(n).record(id, report)));
  }

  /** The messages of the verification that are queued as tasks. */
  async function queuedMessages({ id }: Verification): Promise<number[]> {
    const ids = await (replicas[0] as INestApplicationContext).get(TaskQueue).ids();
    return ids.filter((task) => task.startsWith(id)).map((task) => Number(task.split('.')[1]));
  }

  async function spent(): Promise<number> {
    const states = await database.query<{ state: string }>(
      `select state from abuse_states where key like 'spending:%'`,
    );
    return states.reduce((sum, { state }) => sum + JSON.parse(state).total, 0);
  }

  it('falls back once on concurrent reports of one failure', async () => {
    const opened = await open();
    await reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    const now = await verifications().get(opened.id);
    expect(now).toMatchObject({ messageCount: 2, route: CALL, delivery: { fallback: 'used' } });
    expect((await queuedMessages(opened)).filter((messageNumber) => messageNumber > 1)).toEqual([2]);
  });

  it('refunds every concurrent report that does not send the fallback', async () => {
    await reportConcurrently(await open(), { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    expect(await spent()).toBe(PRICES.call);
  });

  it('retries once on concurrent reports of one temporary failure', async () => {
    const opened = await open();
    await reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure: TEMPORARY });
    const now = await verifications().get(opened.id);
    expect(now).toMatchObject({ messageCount: 2, route: SMS, delivery: { retried: true, fallback: 'open' } });
    expect((await queuedMessages(opened)).filter((messageNumber) => messageNumber > 1)).toEqual([2]);
    expect(await spent()).toBe(PRICES.sms);
  });

  it('falls back once when both replicas find the message overdue', async () => {
    const opened = await open();
    const checks = Array.from({ length: CONCURRENT }, (_, n) => {
      return on(n).fallBackAfter(opened.id, 0, 'another_route');
    });
    expect((await Promise.all(checks)).filter(Boolean)).toHaveLength(1);
    expect(await verifications().get(opened.id)).toMatchObject({ messageCount: 2, route: CALL });
    expect(await spent()).toBe(PRICES.call);
  });

  it('falls back once when a failure is reported as the message is found overdue', async () => {
    const opened = await open();
    await Promise.all(
      Array.from({ length: CONCURRENT }, (_, n) =>
        n % 2
          ? on(n).fallBackAfter(opened.id, 0, 'another_route')
          : on(n).record(opened.id, { messageNumber: 1, status: 'failed', failure: UNREACHABLE }),
      ),
    );
    expect(await verifications().get(opened.id)).toMatchObject({ messageCount: 2, route: CALL });
    expect(await spent()).toBe(PRICES.call);
  });

  it('ends as delivered when a failure and an arrival are reported at once', async () => {
    const opened = await open();
    await Promise.all([
      reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure: UNREACHABLE }),
      reportConcurrently(opened, { messageNumber: 1, status: 'delivered' }),
    ]);
    const { delivery, messageCount } = await verifications().get(opened.id);
    expect(delivery.status).toBe('delivered');
    expect(await spent()).toBe((messageCount - 1) * PRICES.call);
  });

  it('measures no hand-over when a replaced message arrives after all', async () => {
    const opened = await open();
    await on(0).record(opened.id, { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    await on(0).record(opened.id, { messageNumber: 1, status: 'delivered' });
    expect(await verifications().get(opened.id)).toMatchObject({ messageCount: 2, route: CALL });
    const metrics = await (replicas[0] as INestApplicationContext).get(Registry).metrics();
    expect(metrics).not.toMatch(/latchkey_message_hand_over_seconds_count\{channel="call"/);
  });

  it('counts the late delivery of a replaced message for its own route', async () => {
    const opened = await open();
    const delivered = async (channel: string) => {
      const metrics = await (replicas[0] as INestApplicationContext).get(Registry).metrics();
      const name = `latchkey_messages_total{channel="${channel}",sender="twilio",status="delivered",reason=""}`;
      return Number(metrics.split(`${name} `)[1]?.split('\n')[0] ?? 0);
    };
    const before = { sms: await delivered('sms'), call: await delivered('call') };
    const first = (replicas[0] as INestApplicationContext).get(MessageReferences).seal(opened);
    await on(0).record(opened.id, { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    await on(0).report(first, { status: 'delivered', providerId: 'SM1' });
    expect(await verifications().get(opened.id)).toMatchObject({
      route: CALL,
      delivery: { status: 'delivered' },
    });
    expect(await delivered('sms')).toBe(before.sms + 1);
    expect(await delivered('call')).toBe(before.call);
  });

  it('adds the task of a requested message without a check for lost messages', async () => {
    const opened = await open();
    on(0).start(opened);
    await waitFor('the task', async () => (await queuedMessages(opened)).length === 1);
  });

  it('starts a lost message behind more queued messages than one batch has', async () => {
    const older = await mapInFlight(times(250, Number), () => open(), BURST);
    for (const { id } of older) await on(0).addTask({ id, messageCount: 1 });
    const lost = await open();
    const isOldEnough = () =>
      verifications()
        .queuedMessages(5_000, 1_000, 0)
        .then((messages) => messages.some(({ id }) => id === lost.id));
    await waitFor('the age of the message', isOldEnough);
    await database.query('delete from tasks');
    expect(await queuedMessages(lost)).toEqual([]);
    const checks = (replicas[0] as INestApplicationContext).get(DeliveryChecks);
    const startLost = () => (checks as unknown as { startLost(): Promise<void> }).startLost();
    // A busy machine may not finish a round in time. One that is finished starts every lost message.
    const isFinished = () =>
      startLost().then(
        () => true,
        () => false,
      );
    await waitFor('a finished round', isFinished);
    expect(await queuedMessages(lost)).toEqual([1]);
  });

  it('throws Unavailable when the delivery changes before every write', async () => {
    const opened = await open();
    const change = jest.spyOn(verifications(), 'changeDelivery').mockResolvedValue(null);
    const report = on(0).record(opened.id, { messageNumber: 1, status: 'sent' });
    await expect(report).rejects.toThrow(Unavailable);
    change.mockRestore();
    expect(await verifications().get(opened.id)).toMatchObject({ delivery: { status: 'queued' } });
  });

  it('removes the task of a sent message with its outcome, and only where that is recorded', async () => {
    const tasksOf = async (opened: Verification) => (redis ? [] : queuedMessages(opened));
    const sent = await open();
    expect(await on(0).recordOutcome(sent, { messageNumber: 1, status: 'accepted' })).toBe(!redis);
    expect(await tasksOf(sent)).toEqual([]);
    expect(await verifications().get(sent.id)).toMatchObject({ delivery: { status: 'accepted' } });
    // Decides again on the delivery as it is now, not as it was before the message was sent.
    const reported = await open();
    await on(1).record(reported.id, { messageNumber: 1, status: 'accepted' });
    expect(await on(0).recordOutcome(reported, { messageNumber: 1, status: 'sent' })).toBe(!redis);
    expect(await tasksOf(reported)).toEqual([]);
    const arrived = await open();
    await on(1).record(arrived.id, { messageNumber: 1, status: 'delivered' });
    expect(await on(0).recordOutcome(arrived, { messageNumber: 1, status: 'sent' })).toBe(false);
    expect(await tasksOf(arrived)).toEqual(redis ? [] : [1]);
    expect(await verifications().get(arrived.id)).toMatchObject({ delivery: { status: 'delivered' } });
  });

  it('records the outcomes of many messages at once, each with its own values, and one of two for the same message', async () => {
    const sent = [];
    for (let i = 0; i < 10; i += 1) sent.push(await open());
    const outcome = { messageNumber: 1, status: 'accepted' } as const;
    const again = sent[3] as Verification;
    await verifications().changeDelivery(again, { ...again.delivery, route: SMS, addsMessage: false });
    const recorded = await Promise.all(
      [...sent, again].map((each) => on(0).recordOutcome(each, { ...outcome, providerId: `of ${each.id}` })),
    );
    expect(recorded).toEqual([...sent.map(() => !redis), false]);
    for (const { id } of sent) {
      const { delivery } = await verifications().get(id);
      expect(delivery).toMatchObject({ status: 'accepted', providerId: `of ${id}` });
    }
    for (const each of sent) if (!redis) expect(await queuedMessages(each)).toEqual([]);
  });

  it('leaves the task of a newer message when an older one is recorded', async () => {
    const opened = await open();
    await verifications().resend(opened.id, { resendAfterMs: 1, route: SMS, hasFallback: false });
    expect(await on(0).recordOutcome(opened, { messageNumber: 1, status: 'sent' })).toBe(false);
    if (!redis) expect(await queuedMessages(opened)).toEqual([1, 2]);
    expect(await verifications().get(opened.id)).toMatchObject({ delivery: { status: 'queued' } });
  });

  describe('refunds', () => {
    it('a queued fallback that a late arrival overtakes', async () => {
      const opened = await openPaid();
      await on(0).record(opened.id, { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
      expect(await spent()).toBe(PRICES.sms + PRICES.call);
      await on(1).record(opened.id, { messageNumber: 1, status: 'delivered' });
      await sendTask().run({ id: opened.id, send: 2 });
      await sendTask().run({ id: opened.id, send: 2 });
      expect(await spent()).toBe(PRICES.sms);
    });

    it('a message that was canceled before it was sent', async () => {
      const { id } = await openPaid();
      await verifications().cancel(id);
      await sendTask().run({ id, send: 1 });
      expect(await spent()).toBe(0);
      expect(await verifications().get(id)).toMatchObject({ delivery: { status: 'failed' } });
    });

    it('a message that a newer one replaced before it was sent', async () => {
      const { id } = await openPaid();
      const charge = await sendPolicy().admitFallback(NUMBER, { device: null, tickets: [] }, CALL);
      await verifications().resend(id, { resendAfterMs: 1, route: CALL, hasFallback: false, charge });
      await sendTask().run({ id, send: 1 });
      expect(await spent()).toBe(PRICES.call);
    });

    it('nothing after a request without an answer, because the provider may have accepted it', async () => {
      const { id } = await openPaid();
      await verifications().cancel(id);
      await sendTask().run({ id, send: 1, unknown: 1 });
      expect(await spent()).toBe(PRICES.sms);
    });

    it('nothing for a message that was sent and arrived', async () => {
      const { id } = await openPaid();
      await on(0).record(id, { messageNumber: 1, status: 'delivered', providerId: 'SM1' });
      await sendTask().run({ id, send: 1 });
      expect(await spent()).toBe(PRICES.sms);
    });

    it('once a message that the provider refused, however often it says so', async () => {
      const opened = await openPaid();
      const failure = { ...UNREACHABLE, recovery: 'none', isFree: true } as const;
      await reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure });
      expect(await spent()).toBe(0);
    });

    it('a resend that the verification refuses', async () => {
      const { id } = await open();
      const auth = (replicas[0] as INestApplicationContext).get(AuthService);
      const admit = sendPolicy().admit.bind(sendPolicy());
      jest.spyOn(sendPolicy(), 'admit').mockImplementationOnce(async (...request) => {
        const admission = await admit(...request);
        await verifications().cancel(id);
        return admission;
      });
      const requester = {
        address: '192.0.2.1',
        userAgent: null,
        deviceToken: null,
        signUpToken: null,
        proof: null,
      };
      const resent = auth.resendCode(id, requester, null);
      await expect(resent).rejects.toMatchObject({ code: 'verification_closed' });
      expect(await spent()).toBe(0);
    });
  });

  describe('keeps what a report says when the store fails between the effect and the record:', () => {
    const BAD = { code: '30005', reason: 'unreachable', recovery: 'none', badForMinutes: 1_440 } as const;
    const FREE = {
      code: '21408',
      reason: 'provider',
      recovery: 'none',
      means: 'country',
      isFree: true,
    } as const;
    const FRAUD = { code: '30450', reason: 'blocked', recovery: 'none', means: 'fraud' } as const;

    /** Loses the write of the first report. The provider repeats it twice. */
    async function reportThroughOutage({ id }: Verification, failure: Failure): Promise<void> {
      const report = { messageNumber: 1, status: 'failed', failure } as const;
      const write = jest.spyOn(verifications(), 'changeDelivery');
      write.mockRejectedValueOnce(new Unavailable('postgres'));
      await expect(on(0).record(id, report)).rejects.toThrow(Unavailable);
      write.mockRestore();
      await on(0).record(id, report);
      await on(1).record(id, report);
      expect((await verifications().get(id)).delivery.status).toBe('failed');
    }

    it('a bad number', async () => {
      await reportThroughOutage(await open(), BAD);
      const numbers = (replicas[0] as INestApplicationContext).get(BadNumbersRepository);
      expect(await numbers.failureOf(NUMBER, SMS)).toMatchObject({ code: '30005' });
      await numbers.forget(NUMBER, SMS);
    });

    it('finds the failure of each number on its own route when many are asked for at once', async () => {
      const numbers = (replicas[0] as INestApplicationContext).get(BadNumbersRepository);
      const other = '+14155550188' as PhoneNumber;
      const call = { ...SMS, channel: 'call' } as const;
      await numbers.remember(NUMBER, call, BAD);
      await numbers.remember(other, SMS, { ...BAD, code: '30006' });
      const asked = [
        [NUMBER, SMS],
        [other, SMS],
        [other, call],
        [NUMBER, call],
      ] as const;
      const found = await Promise.all(asked.map(([number, route]) => numbers.failureOf(number, route)));
      expect(found.map((failure) => failure?.code ?? null)).toEqual([null, '30006', null, '30005']);
      for (const number of [NUMBER, other]) await numbers.deleteByNumber(number);
    });

    it.each(['remember', 'forget'] as const)(
      'a report repeats when the list of bad numbers cannot %s',
      async (act) => {
        const opened = await open();
        const numbers = (replicas[0] as INestApplicationContext).get(BadNumbersRepository);
        const report: NumberedReport =
          act === 'remember'
            ? { messageNumber: 1, status: 'failed', failure: BAD }
            : { messageNumber: 1, status: 'delivered' };
        if (act === 'forget') await numbers.remember(NUMBER, SMS, BAD);
        const list = jest.spyOn(numbers, act).mockRejectedValueOnce(new Unavailable('postgres'));
        await expect(on(0).record(opened.id, report)).rejects.toThrow(Unavailable);
        await on(0).record(opened.id, report);
        list.mockRestore();
        expect((await numbers.failureOf(NUMBER, SMS)) !== null).toBe(act === 'remember');
        await numbers.forget(NUMBER, SMS);
      },
    );

    it('a refund, and a country without service', async () => {
      await reportThroughOutage(await openPaid(), FREE);
      expect(await spent()).toBe(0);
      expect(await sendPolicy().admitFallback(NUMBER, { device: null, tickets: [] }, SMS)).toBeNull();
      expect(await sendPolicy().admitFallback(NUMBER, { device: null, tickets: [] }, CALL)).not.toBeNull();
    });

    it('a suspicion of fraud, which counts once', async () => {
      const request = { device: null, isKnownNumber: async () => false, routes: [SMS] as const };
      const requester = {
        address: '198.51.100.7',
        userAgent: null,
        deviceToken: null,
        signUpToken: null,
        proof: null,
      };
      const number = '+14155550199' as PhoneNumber;
      const { ticket } = await sendPolicy().admit(number, requester, request);
      const breaker = (replicas[0] as INestApplicationContext).get(BreakerService);
      await reportThroughOutage(await open({ ticket }), FRAUD);
      // A second count would also trip the network.
      await expect(
        sendPolicy().admit('+13105550123' as PhoneNumber, requester, request),
      ).rejects.toMatchObject({
        code: 'proof_of_work_required',
      });
      const blocks = await breaker.blocks();
      expect(blocks.map(({ id }) => id)).toEqual(['address:198.51.100.7']);
    });
  });
});

/** Two replicas that only enqueue: nothing is sent, so the queue shows each message that was started. */
function configOf(databaseUrl: string, redisUrl: string | undefined): AppConfig {
  return readConfig({
    NODE_ENV: 'test',
    SECRET: 'a secret for tests that is long enough',
    DATABASE_URL: databaseUrl,
    DATABASE_TIMEOUT: GENEROUS.DATABASE_TIMEOUT,
    REDIS_URL: redisUrl,
    BACKGROUND: 'off',
    FALLBACK: 'sms>call@5s',
    TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
    TWILIO_AUTH_TOKEN: '5'.repeat(32),
    TWILIO_FROM: '+15005550006',
    TWILIO_CALL_FROM: '+15005550006',
  });
}

function contextOf(config: AppConfig): Promise<INestApplicationContext> {
  const modules = AppModule.forRoot(config, config.databaseUrl as string);
  return NestFactory.createApplicationContext(modules, { logger: false, abortOnError: false });
}
