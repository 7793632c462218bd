import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Registry } from 'prom-client';
import { AppModule } from '#app';
import { TaskQueue } from '#background';
import { type AppConfig, readConfig } from '#config';
import { Unavailable } from '#errors';
import type { Failure } from '#messaging';
import { type Verification, VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { freshDatabase, freshRedis, modes, type TestDatabase } from '../../../test/support/databases.js';
import { DeliveryService } from './delivery.service.js';
import type { NumberedReport } from './delivery-state.js';

const NUMBER = '+14155550123' as PhoneNumber;
const SMS = { channel: 'sms', provider: 'twilio' } as const;
const CALL = { channel: 'call', provider: 'twilio' } as const;

const UNREACHABLE: Failure = { code: '30003', reason: 'unreachable', recovery: 'another_channel' };
const TEMPORARY: Failure = { code: '30008', reason: 'provider', recovery: 'same_route' };

const CONCURRENT = 20;
/** A message to a US number, in millionths of a US dollar. */
const PRICE = 8_300;

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

  function open(): Promise<Verification> {
    const request = { purpose: 'sign_in', phoneNumber: NUMBER, route: SMS, hasFallback: true } as const;
    return verifications().open({ ...request, codeLength: 6, device: null, ticket: null }, 30_000);
  }

  /** Reports the same state to both replicas, many times at once. */
  function reportConcurrently({ id }: Verification, report: NumberedReport): Promise<unknown> {
    return Promise.all(Array.from({ length: CONCURRENT }, (_, n) => on(n).record(id, report)));
  }

  /** The messages of the verification that are queued as tasks. */
  async function queuedMessages({ id }: Verification): Promise<number[]> {
    const { queue } = (replicas[0] as INestApplicationContext).get(TaskQueue);
    const jobs = await queue.getJobs(['waiting', 'prioritized', 'delayed']);
    return jobs.flatMap(({ data }) => (data.id === id ? [data.send as number] : []));
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
    expect(await queuedMessages(opened)).toEqual([2]);
  });

  it('refunds every concurrent report that does not send the fallback', async () => {
    await reportConcurrently(await open(), { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    expect(await spent()).toBe(PRICE);
  });

  it('retries once on concurrent reports of one temporary failure', async () => {
    const opened = await open();
    await reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure: TEMPORARY });
    const now = await verifications().get(opened.id);
    expect(now).toMatchObject({ messageCount: 2, route: SMS, delivery: { retried: true, fallback: 'open' } });
    expect(await queuedMessages(opened)).toEqual([2]);
    expect(await spent()).toBe(PRICE);
  });

  it('falls back once when both replicas find the message overdue', async () => {
    const opened = await open();
    const checks = Array.from({ length: CONCURRENT }, (_, n) => {
      return on(n).fallBackAfter(opened.id, 0, 'another_route');
    });
    expect((await Promise.all(checks)).filter(Boolean)).toHaveLength(1);
    expect(await verifications().get(opened.id)).toMatchObject({ messageCount: 2, route: CALL });
    expect(await spent()).toBe(PRICE);
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
    expect(await spent()).toBe(PRICE);
  });

  it('ends as delivered when a failure and an arrival are reported at once', async () => {
    const opened = await open();
    await Promise.all([
      reportConcurrently(opened, { messageNumber: 1, status: 'failed', failure: UNREACHABLE }),
      reportConcurrently(opened, { messageNumber: 1, status: 'delivered' }),
    ]);
    const { delivery, messageCount } = await verifications().get(opened.id);
    expect(delivery.status).toBe('delivered');
    expect(await spent()).toBe((messageCount - 1) * PRICE);
  });

  it('measures no hand-over when a replaced message arrives after all', async () => {
    const opened = await open();
    await on(0).record(opened.id, { messageNumber: 1, status: 'failed', failure: UNREACHABLE });
    await on(0).record(opened.id, { messageNumber: 1, status: 'delivered' });
    expect(await verifications().get(opened.id)).toMatchObject({ messageCount: 2, route: CALL });
    const metrics = await (replicas[0] as INestApplicationContext).get(Registry).metrics();
    expect(metrics).not.toMatch(/latchkey_message_hand_over_seconds_count\{channel="call"/);
  });

  it('throws Unavailable when the delivery changes before every write', async () => {
    const opened = await open();
    const change = jest.spyOn(verifications(), 'changeDelivery').mockResolvedValue(null);
    const report = on(0).record(opened.id, { messageNumber: 1, status: 'sent' });
    await expect(report).rejects.toThrow(Unavailable);
    change.mockRestore();
    expect(await verifications().get(opened.id)).toMatchObject({ delivery: { status: 'queued' } });
  });
});

/** Two replicas that only enqueue: nothing is sent, so the queue shows each message that was started. */
function configOf(databaseUrl: string, redisUrl: string | undefined): AppConfig {
  return readConfig({
    NODE_ENV: 'test',
    SECRET: 'a secret for tests that is long enough',
    DATABASE_URL: databaseUrl,
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
