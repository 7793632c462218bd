import { busyness } from '../support/busyness.js';
import {
  type CodeRequest,
  codesIn,
  type Delivery,
  deliveryOf,
  isOver,
  readVerification,
  requestCode,
} from '../support/code-requests.js';
import { mainlyOn } from '../support/databases.js';
import { Deployment, PUBLIC_URL } from '../support/deployment.js';
import type { FakeTwilio } from '../support/fake-twilio.js';
import { someNumber } from '../support/phone-numbers.js';
import { mapInFlight, times } from '../support/repeat.js';
import type { ServerProcess } from '../support/server-process.js';
import { CALL, WHATSAPP } from '../support/settings.js';
import { countStatuses, percentiles, printNumbers } from '../support/statistics.js';
import { waitFor } from '../support/wait.js';

describe.each(mainlyOn('redis'))('A delivery on $name', (mode) => {
  let deployment: Deployment;
  let twilio: FakeTwilio;
  /** Opened before all tests, because its codes live for 30 s. */
  let shortLived: ShortLived;

  const print = (what: string, numbers: object) => printNumbers(`${mode.name}, ${what}`, numbers);

  beforeAll(async () => {
    shortLived = new ShortLived(await Deployment.open(mode));
    await shortLived.request();
  }, 60_000);
  afterAll(() => shortLived?.close());

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

  describe('by a provider that hangs', () => {
    it('is requested without delay, and finished when the provider recovers', async () => {
      twilio.answerAll('hang');
      const server = await deployment.start();
      const began = Date.now();
      const asked = await mapInFlight(times(100, someNumber), (number) => requestCode(server, number));
      const answers = percentiles(asked.map(({ tookMs }) => tookMs));
      expect((await server.client.get('/health/ready')).body.status).toBe('ok');
      await waitFor('the circuit to open', () => server.output.includes('circuit_opened'), 20_000);
      twilio.answerAll('accept');
      const isSettled = ({ status }: Delivery) => status === 'sent' || status === 'failed';
      const deliveries = await mapInFlight(asked, (one) => deliveryOf(server, one, isSettled, 60_000));

      const outcomes = deliveries.map(({ status }, i) => {
        const { number } = asked[i] as CodeRequest;
        return { status, requests: twilio.requestsFor(number), messages: twilio.messagesTo(number).length };
      });
      const twice = outcomes.filter(({ requests }) => requests === 2).length;
      const numbers = { ...answers, ...countStatuses(outcomes), twice, wallMs: Date.now() - began };
      print('100 requests while the provider hangs', numbers);
      // Waiting for the provider would take eight seconds.
      expect(answers.p99).toBeLessThanOrEqual(2_000 * busyness());
      // A message that hung twice, before the circuit opened, is not tried a third time.
      for (const { status, requests, messages } of outcomes) {
        expect(requests).toBeLessThanOrEqual(2);
        expect([messages, requests]).toEqual(status === 'sent' ? [1, requests] : [0, 2]);
      }
    }, 90_000);

    it('is retried once, with the same code, when the answer breaks off', async () => {
      twilio.answerAll('cut');
      const server = await deployment.start();
      const asked = await mapInFlight(times(9, someNumber), (number) => requestCode(server, number));
      const deliveries = await mapInFlight(asked, (one) => deliveryOf(server, one, isOver));
      expect(countStatuses(deliveries)).toEqual({ failed: 9 });
      for (const { number } of asked) {
        expect(twilio.messagesTo(number)).toHaveLength(2);
        expect(codesIn(twilio.messagesTo(number)).size).toBe(1);
      }
    });

    it('is not retried when a report confirms the delivery in time', async () => {
      const server = await deployment.startWithReports();
      const numbers = times(10, someNumber) as [string, ...string[]];
      const [unreported] = numbers.slice(-1) as [string];
      twilio.answer(...times(10, () => 'cut' as const));
      twilio.planReports(({ to }) => (to === unreported ? [] : ['delivered']), { delayMs: 50 });
      const asked: CodeRequest[] = [];
      for (const number of numbers) asked.push(await requestCode(server, number));
      // When the last message is retried, the others would have been retried, too.
      await waitFor('the retry', () => twilio.messagesTo(unreported).length === 2);
      const deliveries = await mapInFlight(asked.slice(0, -1), (one) => deliveryOf(server, one, isOver));
      expect(countStatuses(deliveries)).toEqual({ delivered: 9 });
      expect(twilio.requests).toHaveLength(11);
    });
  });

  it('is retried after errors and a 429, not before its Retry-After', async () => {
    twilio.answer({ fail: 500 }, { throttle: '2' }, 'accept');
    const server = await deployment.start();
    const asked = await requestCode(server, someNumber());
    await twilio.received(1);
    expect(Number(twilio.messages[0]?.receivedAt) - asked.at).toBeGreaterThanOrEqual(2_400);
    expect(twilio.requests).toHaveLength(3);
  });

  it('is not retried after a refusal', async () => {
    twilio.answer({ refuse: 21211 });
    const server = await deployment.start();
    const asked = await requestCode(server, someNumber());
    expect(await deliveryOf(server, asked, isOver)).toEqual({ status: 'failed', reason: 'invalid_number' });
    expect(twilio.requests).toHaveLength(1);
  });

  describe('with a code that lives for thirty seconds', () => {
    it('is retried until the code expires', async () => {
      const { requests: codes, server } = shortLived;
      const delivery = await deliveryOf(server, codes.deferred, isOver, 45_000);
      const { updated_at } = (await readVerification(server, codes.deferred)).delivery;
      const endedAfterMs = Date.parse(updated_at) - codes.deferred.at;
      const requests = shortLived.twilio.requestsFor(codes.deferred.number);
      print('a message whose code lives for 30 s at a failing provider', { requests, endedAfterMs });
      expect(delivery).toEqual({ status: 'failed', reason: 'provider' });
      // The lifetime of the code and one back-off.
      expect(endedAfterMs).toBeLessThan(30_000 + 10_000 + 2_000);
      expect(requests).toBeGreaterThan(5);
      expect(shortLived.channelsOf(codes.deferred)).toEqual([]);
    }, 60_000);

    it('is not retried when the Retry-After exceeds the life of the code', async () => {
      const { requests: codes, server } = shortLived;
      const delivery = await deliveryOf(server, codes.throttled, isOver);
      expect(delivery).toEqual({ status: 'failed', reason: 'provider' });
      expect(shortLived.twilio.requestsFor(codes.throttled.number)).toBe(1);
      expect(shortLived.throttledForMs).toBeLessThan(10_000);
    });

    it('does not fall back after the code expired', async () => {
      const { requests: codes, server } = shortLived;
      // Nothing may happen then, so the test can only wait until the fallback would have been due.
      await waitFor('two sweeps', () => Date.now() - codes.silent.at > 31_000 + 2_000, 45_000);
      expect((await readVerification(server, codes.silent)).status).toBe('expired');
      expect(shortLived.channelsOf(codes.silent)).toEqual(['sms']);
    }, 60_000);
  });
});

/** Codes that live for 30 s: the provider accepts one, throttles one for too long, and fails one on every attempt. */
class ShortLived {
  server: ServerProcess;
  requests: Record<'silent' | 'throttled' | 'deferred', CodeRequest>;
  /** The time until the throttled message failed. */
  throttledForMs: number;

  constructor(private readonly deployment: Deployment) {}

  get twilio(): FakeTwilio {
    return this.deployment.twilio;
  }

  async request(): Promise<void> {
    const { twilio } = this;
    const FALLBACK = 'sms>whatsapp@31s';
    const variables = { PUBLIC_URL, ...WHATSAPP, ...CALL, FALLBACK, OTP_TTL: '30s' };
    this.server = await this.deployment.start(variables);
    const silent = await requestCode(this.server, someNumber());
    await twilio.received(1);
    // Calls have no fallback.
    twilio.answer({ throttle: '3600' });
    const throttled = await requestCode(this.server, someNumber(), { channel: 'call' });
    await twilio.requested(2);
    twilio.answerAll({ fail: 503 });
    const deferred = await requestCode(this.server, someNumber(), { channel: 'call' });
    this.requests = { silent, throttled, deferred };
    await deliveryOf(this.server, throttled, isOver);
    this.throttledForMs = Date.now() - throttled.at;
  }

  channelsOf({ number }: CodeRequest): string[] {
    return this.twilio.messagesTo(number).map(({ channel }) => channel);
  }

  close(): Promise<void> {
    return this.deployment.close();
  }
}
