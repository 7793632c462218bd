import { busyness } from '../support/busyness.js';
import {
  type CodeRequest,
  codesIn,
  deliveryOf,
  isOver,
  requestCode,
  shapeOf,
} from '../support/code-requests.js';
import { mainlyOn } from '../support/databases.js';
import { Deployment, PUBLIC_URL } from '../support/deployment.js';
import type { AcceptedMessage, FakeTwilio } from '../support/fake-twilio.js';
import type { ReportedStatus } from '../support/fake-twilio-reports.js';
import { HttpGateway } from '../support/http-gateway.js';
import { someNumber } from '../support/phone-numbers.js';
import { mapInFlight, times } from '../support/repeat.js';
import type { ServerProcess } from '../support/server-process.js';
import { BRIEF_COOL_DOWN, CALL, WHATSAPP } from '../support/settings.js';
import { countStatuses, percentiles, printNumbers } from '../support/statistics.js';
import { afterCoolDown } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

describe.each(mainlyOn('postgres'))('A delivery on $name', (mode) => {
  let deployment: Deployment;
  let twilio: FakeTwilio;

  const print = (what: string, numbers: object) => printNumbers(`${mode.name}, ${what}`, numbers);

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

  describe('with a fallback', () => {
    it('falls back once, if no report came in time, with two replicas', async () => {
      const variables = { PUBLIC_URL, ...WHATSAPP, ...CALL, FALLBACK: 'sms>whatsapp>call@5s' };
      const servers = [await deployment.start(variables), await deployment.start(variables)] as const;
      const [one, other] = servers;
      /** Posts a report to one replica, at the path that the message named. */
      const report = (
        { client }: ServerProcess,
        { sid, statusCallback }: AcceptedMessage,
        status: ReportedStatus,
      ) => {
        const signedFor = statusCallback as string;
        const { pathname, search } = new URL(signedFor);
        return twilio.report(sid, status, { url: client.url + pathname + search, signedFor });
      };
      const requestCodes = async (count: number) =>
        mapInFlight(times(count, someNumber), (number, i) => requestCode(i % 2 ? one : other, number));
      const firstOf = ({ number }: CodeRequest) =>
        waitFor('the message', () => twilio.messagesTo(number)[0]) as Promise<AcceptedMessage>;

      const silent = await requestCodes(100);
      const sent = await requestCodes(5);
      for (const asked of sent) expect(await report(one, await firstOf(asked), 'sent')).toBe(204);
      const approved = await requestCodes(5);
      for (const asked of approved) {
        const [code] = codesIn([await firstOf(asked)]);
        const answer = await other.client.post(`/v1/verifications/${asked.id}/check`, { code });
        expect(answer.status).toBe(200);
      }
      const failed = await requestCodes(20);
      for (const asked of failed) {
        const message = await firstOf(asked);
        const status = { undelivered: 30003 };
        expect(await Promise.all(servers.map((server) => report(server, message, status)))).toEqual([
          204, 204,
        ]);
      }
      const all = [silent, sent, approved, failed];
      await twilio.received(130 + 120);
      // When one later message has fallen back, the others have had time for a third message, too.
      const [last] = (await requestCodes(1)) as [CodeRequest];
      await waitFor('the last one', () => twilio.messagesTo(last.number).length === 2);

      const routes = all.map((group) =>
        countStatuses(
          group.map(({ number }) => {
            const messages = twilio.messagesTo(number);
            return { status: `${messages.map(({ channel }) => channel)} of ${codesIn(messages).size}` };
          }),
        ),
      );
      const waits = silent.map(({ number, at }) => Number(twilio.messagesTo(number)[1]?.receivedAt) - at);
      print('fallbacks on two replicas (silent, sent, approved, failed)', { routes, ...percentiles(waits) });
      expect(routes).toEqual([
        { 'sms,whatsapp of 1': 100 },
        { 'sms of 1': 5 },
        { 'sms of 1': 5 },
        { 'sms,whatsapp of 1': 20 },
      ]);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(5_000);
    }, 60_000);
  });

  describe('by a provider whose account is suspended', () => {
    let gateway: HttpGateway;

    beforeEach(async () => {
      gateway = await HttpGateway.start();
    });
    afterEach(() => gateway.stop());

    it('goes through the fallback provider at once, until the first recovers', async () => {
      twilio.answerAll({ refuse: 20003, status: 401 });
      const server = await deployment.start({ ...WHATSAPP, ...gateway.variables, FALLBACK: 'sms>sms:http' });
      const metrics = async () => (await server.client.get('/metrics')).body as string;
      const isOpen = async () => /circuit_open\{sender="twilio"\} (\d)/.exec(await metrics())?.[1];

      const first = await requestCode(server, someNumber());
      await waitFor('the first fallback', () => gateway.received.length === 1);
      expect(await isOpen()).toBe('1');
      expect(await metrics()).toContain('latchkey_message_alarms_total{sender="twilio",code="20003"} 1');
      const asked = await mapInFlight(times(13, someNumber), (number) => requestCode(server, number));
      // These have no fallback and wait.
      const waiting = await mapInFlight(times(3, someNumber), (number) =>
        requestCode(server, number, { channel: 'whatsapp' }),
      );
      await waitFor('the other fallbacks', () => gateway.received.length === 14);
      expect(twilio.requests).toHaveLength(1);
      expect(gateway.numbers).toEqual([first, ...asked].map(({ number }) => number).sort());
      const waits = asked.map(({ number, at }) => gateway.receivedAt(number) - at);

      twilio.answerAll('accept');
      await waitFor('the waiting messages', () => twilio.messages.length === 3, 20_000);
      const pauseMs = Number(twilio.messages[0]?.receivedAt) - first.at;
      print('a suspended account', { ...percentiles(waits), pauseMs });
      expect(twilio.messages.map(({ to }) => to).sort()).toEqual(waiting.map(({ number }) => number).sort());
      expect(pauseMs).toBeGreaterThanOrEqual(10_000);
      expect(await isOpen()).toBe('0');
      const next = await requestCode(server, someNumber());
      await waitFor('the usual provider', () => twilio.messagesTo(next.number).length === 1);
      expect(gateway.received).toHaveLength(14);
      expect(percentiles(waits).p95).toBeLessThanOrEqual(2_000 * busyness());
    });
  });

  describe('to a bad number', () => {
    const variables = BRIEF_COOL_DOWN;

    const requestAgain = ({ client }: ServerProcess, phone_number: string) =>
      afterCoolDown(() => client.post('/v1/verifications', { phone_number }));

    it('fails without another request to the provider, and looks like any other to the requester', async () => {
      const server = await deployment.start(variables);
      const number = someNumber();
      twilio.answer({ refuse: 21614 });
      const first = await server.client.post('/v1/verifications', { phone_number: number });
      const failed = { status: 'failed', reason: 'invalid_number' };
      expect(await deliveryOf(server, first.body, isOver)).toEqual(failed);
      const [other, second] = [await requestCode(server, someNumber()), await requestAgain(server, number)];

      expect(await deliveryOf(server, second.body, isOver)).toEqual(failed);
      expect(shapeOf(second.body)).toEqual(shapeOf(first.body));
      await waitFor('the other number', () => twilio.messagesTo(other.number).length === 1);
      expect(twilio.requestsFor(number)).toBe(1);
    });

    it('falls back to a call, the second time at once', async () => {
      const server = await deployment.start({ ...variables, ...CALL, FALLBACK: 'sms>call' });
      const number = someNumber();
      twilio.answer({ refuse: 21614 });
      const first = await server.client.post('/v1/verifications', { phone_number: number });
      await waitFor('the call', () => twilio.messagesTo(number).length === 1);
      const second = await requestAgain(server, number);
      await waitFor('the second call', () => twilio.messagesTo(number).length === 2);

      expect(twilio.messagesTo(number).map(({ channel }) => channel)).toEqual(['call', 'call']);
      expect(twilio.requestsFor(number)).toBe(3);
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(shapeOf(second.body)).toEqual(shapeOf(first.body));
    });
  });
});
