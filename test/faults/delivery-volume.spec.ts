import { busyness } from '../support/busyness.js';
import { codesIn, deliveryOf, isOver, requestCode } from '../support/code-requests.js';
import { mainlyOn } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { Answer, FakeTwilio } from '../support/fake-twilio.js';
import type { ReportedStatus } from '../support/fake-twilio-reports.js';
import { someNumber } from '../support/phone-numbers.js';
import { TcpProxy } from '../support/proxy.js';
import { mapInFlight, times } from '../support/repeat.js';
import { scaled } from '../support/scale.js';
import { countStatuses, percentiles, printNumbers } from '../support/statistics.js';

describe.each(mainlyOn('postgres'))('A delivery on $name', (mode) => {
  let deployment: Deployment;
  let twilio: FakeTwilio;

  const print = (what: string, numbers: object) => printNumbers(`${mode.name}, ${what}`, numbers);

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

  describe('of many messages', () => {
    it.each<[many: number, what: string, answers: { share: number; with: Answer }]>([
      [scaled(1_000), 'throttles 30 % of the requests', { share: 0.3, with: { throttle: '1' } }],
      [scaled(1_000), 'fails 20 % of the requests', { share: 0.2, with: { fail: 503 } }],
    ])(
      'sends each of %i once, within five seconds, when the provider %s',
      async (many, what, answers) => {
        twilio.answerRandomly(answers, 7);
        const server = await deployment.start();
        const began = Date.now();
        const asked = await mapInFlight(times(many, someNumber), (number) => requestCode(server, number));
        await twilio.received(many);
        const deliveries = await mapInFlight(asked, (one) =>
          deliveryOf(server, one, ({ status }) => status === 'sent'),
        );

        const waits = asked.map(({ number, at }) => Number(twilio.messagesTo(number)[0]?.receivedAt) - at);
        print(what, { ...percentiles(waits), requests: twilio.requests.length, wallMs: Date.now() - began });
        expect(new Set(twilio.messages.map(({ to }) => to)).size).toBe(many);
        expect(twilio.messages).toHaveLength(many);
        expect(deliveries.every(({ status }) => status === 'sent')).toBe(true);
        expect(percentiles(waits).p95).toBeLessThanOrEqual(5_000 * busyness());
        expect(server.output).not.toContain('circuit_opened');
      },
      120_000,
    );
  });

  describe('with delivery reports', () => {
    it('is delivered although reports are doubled, out of order and late', async () => {
      const half = scaled(250);
      const server = await deployment.startWithReports();
      const reports = ['queued', 'sent', 'delivered'];
      twilio.planReports(reports, { doubled: true, shuffleSeed: 1 });
      const began = Date.now();
      const early = await mapInFlight(times(half, someNumber), (number) => requestCode(server, number));
      twilio.planReports(reports, { doubled: true, shuffleSeed: 2, delayMs: 1_500 });
      const late = await mapInFlight(times(half, someNumber), (number) => requestCode(server, number));
      await twilio.reported(6 * 2 * half);

      const deliveries = await mapInFlight([...early, ...late], (one) => deliveryOf(server, one, isOver));
      print('deliveries with six reports each', {
        ...countStatuses(deliveries),
        wallMs: Date.now() - began,
      });
      expect(countStatuses(deliveries)).toEqual({ delivered: 2 * half });
      expect(countStatuses(twilio.reports.map(({ answer }) => ({ status: String(answer) })))).toEqual({
        204: 6 * 2 * half,
      });
      expect(twilio.messages).toHaveLength(2 * half);
    }, 60_000);

    it('is retried once, and only after failures that a retry can fix', async () => {
      const server = await deployment.startWithReports();
      const kinds: ((nth: number) => ReportedStatus[])[] = [
        () => ['queued', 'sent', 'delivered'],
        () => ['sent', { undelivered: 30003 }],
        () => [{ failed: 30008 }],
        (nth) => (nth === 1 ? [{ failed: 30008 }] : ['sent', 'delivered']),
      ];
      const each = scaled(50);
      const numbers = times(4 * each, someNumber);
      const plan = ({ to }: { to: string }) =>
        kinds[numbers.indexOf(to) % 4]?.(twilio.messagesTo(to).length) ?? [];
      twilio.planReports(plan, { doubled: true, shuffleSeed: 3 });
      const asked = await mapInFlight(numbers, (number) => requestCode(server, number));
      // All reports on all expected messages: after them nothing is left that could cause another message.
      await twilio.reported(each * (6 + 4 + 2 * 2 + 2 + 4));
      const deliveries = await mapInFlight(asked, (one) => deliveryOf(server, one, isOver));

      const outcomes = deliveries.map(({ status, reason }, i) => {
        const messages = twilio.messagesTo(numbers[i] as string);
        const codes = codesIn(messages).size;
        return { status: `${i % 4}: ${status}, ${reason}, messages ${messages.length}, codes ${codes}` };
      });
      print('deliveries by what is reported', countStatuses(outcomes));
      expect(countStatuses(outcomes)).toEqual({
        '0: delivered, null, messages 1, codes 1': each,
        '1: undelivered, unreachable, messages 1, codes 1': each,
        '2: failed, provider, messages 2, codes 1': each,
        '3: delivered, null, messages 2, codes 1': each,
      });
    }, 60_000);

    it('reaches its final state after an outage of the store', async () => {
      const proxy = await TcpProxy.before(deployment.storeUrl);
      const server = await deployment.startWithReports({
        [mode.redis ? 'REDIS_URL' : 'DATABASE_URL']: proxy.url,
      });
      twilio.planReports(['delivered'], { delayMs: 1_500 });
      const asked = await mapInFlight(times(20, someNumber), (number) => requestCode(server, number));
      await mapInFlight(asked, (one) => deliveryOf(server, one, ({ status }) => status === 'sent'));

      proxy.cut();
      await twilio.refused(20);
      proxy.heal();
      await twilio.reported(20);

      const deliveries = await mapInFlight(asked, (one) => deliveryOf(server, one, isOver));
      print('20 reports during an outage of the store', {
        refused: twilio.refusals.length,
        ...countStatuses(deliveries),
      });
      expect(new Set(twilio.refusals)).toEqual(new Set([503]));
      expect(countStatuses(deliveries)).toEqual({ delivered: 20 });
      expect(twilio.messages).toHaveLength(20);
      await proxy.close();
    });
  });
});
