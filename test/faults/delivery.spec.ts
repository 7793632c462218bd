import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { someNumber } from '../support/api.js';
import { modes } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { AcceptedMessage, Answer, FakeTwilio } from '../support/fake-twilio.js';
import type { Said } from '../support/fake-twilio-callbacks.js';
import { TcpProxy } from '../support/proxy.js';
import type { ServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

/** As many requests as a busy server has under way at once. */
const IN_FLIGHT = 20;

/** Where Twilio reports to. Nobody is there: the fake knows the way to the server. */
const PUBLIC_URL = 'https://login.example.com';

const WHATSAPP = { TWILIO_WHATSAPP_FROM: '+15005550007' };
const CALL = { TWILIO_CALL_FROM: '+15005550008' };

const OVER = ['delivered', 'undelivered', 'failed'];

/** A code that was asked for. */
interface Asked {
  readonly id: string;
  readonly number: string;
  readonly at: number;
  readonly tookMs: number;
}

interface Delivery {
  readonly status: string;
  readonly reason: string | null;
}

/** Whatever the provider does, a code arrives or is known not to, and nobody is told twice. */
describe.each(modes)('A delivery on $name', (mode) => {
  let deployment: Deployment;
  let twilio: FakeTwilio;
  /** Has codes that live for 30 s, and so is asked long before its tests. */
  let shortLived: ShortLived;

  beforeAll(async () => {
    shortLived = new ShortLived(await Deployment.open(mode));
    await shortLived.ask();
  }, 60_000);
  afterAll(() => shortLived?.close());

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

  /** A server that hears what becomes of its messages. */
  async function startWithReports(more: Record<string, string> = {}): Promise<ServerProcess> {
    const server = await deployment.start({ PUBLIC_URL, ...more });
    twilio.reportVia(server.client.url);
    return server;
  }

  /** For whoever reads the run: the specs bound these numbers, the log tells them. */
  function tell(what: string, numbers: object): void {
    process.stdout.write(`    ${mode.name}, ${what}: ${JSON.stringify(numbers)}\n`);
  }

  function messagesTo(number: string): AcceptedMessage[] {
    return twilio.messages.filter(({ to }) => to === number);
  }

  function requestsFor(number: string): number {
    return twilio.requests.filter(({ form }) => form.get('To') === number).length;
  }

  // On Redis, where sending is the same and the queue faster, as many as show it.
  const many = mode.redis ? 300 : 1_000;

  describe(`of ${many} messages`, () => {
    it.each<[what: string, answers: { share: number; with: Answer }]>([
      ['30 % are throttled', { share: 0.3, with: { throttle: '1' } }],
      ['20 % meet an error of the provider', { share: 0.2, with: { fail: 503 } }],
    ])(
      'of which %s comes once, within five seconds',
      async (what, answers) => {
        twilio.answerRandomly(answers, 7);
        const server = await deployment.start();
        const began = Date.now();
        const asked = await inFlight(times(many, someNumber), (number) => ask(server, number));
        await twilio.received(many);
        const deliveries = await inFlight(asked, (one) =>
          deliveryOf(server, one, ({ status }) => status === 'sent'),
        );

        const waits = asked.map(({ number, at }) => Number(messagesTo(number)[0]?.receivedAt) - at);
        tell(what, { ...spread(waits), requests: twilio.requests.length, wallMs: Date.now() - began });
        expect(new Set(twilio.messages.map(({ to }) => to)).size).toBe(many);
        expect(twilio.messages).toHaveLength(many);
        expect(deliveries.every(({ status }) => status === 'sent')).toBe(true);
        expect(spread(waits).p95).toBeLessThanOrEqual(5_000);
        expect(server.output).not.toContain('circuit_opened');
      },
      60_000,
    );
  });

  describe('with a code that lives for thirty seconds', () => {
    it('is tried for as long as the provider is away', async () => {
      const { asked, server } = shortLived;
      const delivery = await deliveryOf(server, asked.deferred, isOver, 45_000);
      const { updated_at } = (await read(server, asked.deferred)).delivery;
      const endedAfterMs = Date.parse(updated_at) - asked.deferred.at;
      const requests = shortLived.requestsFor(asked.deferred);
      tell('a message of 30 s that is turned away for ever', { requests, endedAfterMs });
      expect(delivery).toEqual({ status: 'failed', reason: 'provider' });
      // The code's life and one pause.
      expect(endedAfterMs).toBeLessThan(30_000 + 10_000 + 2_000);
      expect(requests).toBeGreaterThan(5);
      expect(shortLived.messagesOf(asked.deferred)).toEqual([]);
    }, 60_000);

    it('is not tried again when the provider wants to be left alone for longer', async () => {
      const { asked, server } = shortLived;
      const delivery = await deliveryOf(server, asked.throttled, isOver);
      expect(delivery).toEqual({ status: 'failed', reason: 'provider' });
      expect(shortLived.requestsFor(asked.throttled)).toBe(1);
      expect(shortLived.throttledForMs).toBeLessThan(10_000);
    });

    it('takes no other way when it is over', async () => {
      const { asked, server } = shortLived;
      // Nothing is to happen then, so that there is nothing but time to wait for.
      await waitFor('two looks', () => Date.now() - asked.silent.at > 31_000 + 2_000, 45_000);
      expect((await read(server, asked.silent)).status).toBe('expired');
      expect(shortLived.messagesOf(asked.silent)).toEqual(['sms']);
    }, 60_000);
  });

  describe('that is reported on', () => {
    it('arrives, however doubled, mixed up and late the reports are', async () => {
      const server = await startWithReports();
      const said = ['queued', 'sent', 'delivered'];
      twilio.callbacks(said, { doubled: true, shuffled: 1 });
      const began = Date.now();
      const early = await inFlight(times(250, someNumber), (number) => ask(server, number));
      twilio.callbacks(said, { doubled: true, shuffled: 2, lateMs: 1_500 });
      const late = await inFlight(times(250, someNumber), (number) => ask(server, number));
      await twilio.reported(3_000);

      const deliveries = await inFlight([...early, ...late], (one) => deliveryOf(server, one, isOver));
      tell('500 deliveries with 3,000 reports', { ...count(deliveries), wallMs: Date.now() - began });
      expect(count(deliveries)).toEqual({ delivered: 500 });
      expect(count(twilio.reports.map(({ answer }) => ({ status: String(answer) })))).toEqual({ 204: 3_000 });
      expect(twilio.messages).toHaveLength(500);
    }, 60_000);

    it('is tried once more where that can help, and nowhere else', async () => {
      const server = await startWithReports();
      const kinds: ((nth: number) => Said[])[] = [
        () => ['queued', 'sent', 'delivered'],
        () => ['sent', { undelivered: 30003 }],
        () => [{ failed: 30008 }],
        (nth) => (nth === 1 ? [{ failed: 30008 }] : ['sent', 'delivered']),
      ];
      const numbers = times(200, someNumber);
      const plan = ({ to }: { to: string }) => kinds[numbers.indexOf(to) % 4]?.(messagesTo(to).length) ?? [];
      twilio.callbacks(plan, { doubled: true, shuffled: 3 });
      const asked = await inFlight(numbers, (number) => ask(server, number));
      // All that is said of the messages that should be; then nothing is left that could have another one sent.
      await twilio.reported(50 * (6 + 4 + 2 * 2 + 2 + 4));
      const deliveries = await inFlight(asked, (one) => deliveryOf(server, one, isOver));

      const outcomes = deliveries.map(({ status, reason }, i) => {
        const messages = messagesTo(numbers[i] as string);
        const codes = codesTo(messages).size;
        return { status: `${i % 4}: ${status}, ${reason}, messages ${messages.length}, codes ${codes}` };
      });
      tell('200 deliveries by what is reported', count(outcomes));
      expect(count(outcomes)).toEqual({
        '0: delivered, null, messages 1, codes 1': 50,
        '1: undelivered, unreachable, messages 1, codes 1': 50,
        '2: failed, provider, messages 2, codes 1': 50,
        '3: delivered, null, messages 2, codes 1': 50,
      });
    }, 60_000);

    it('ends as it should after the store was away', async () => {
      const wire = await TcpProxy.before(deployment.storeUrl);
      const server = await startWithReports({ [mode.redis ? 'REDIS_URL' : 'DATABASE_URL']: wire.url });
      twilio.callbacks(['delivered'], { lateMs: 1_500 });
      const asked = await inFlight(times(20, someNumber), (number) => ask(server, number));
      await inFlight(asked, (one) => deliveryOf(server, one, ({ status }) => status === 'sent'));

      wire.cut();
      await twilio.refused(20);
      wire.heal();
      await twilio.reported(20);

      const deliveries = await inFlight(asked, (one) => deliveryOf(server, one, isOver));
      tell('20 reports while the store is away', { refused: twilio.refusals.length, ...count(deliveries) });
      expect(new Set(twilio.refusals)).toEqual(new Set([503]));
      expect(count(deliveries)).toEqual({ delivered: 20 });
      expect(twilio.messages).toHaveLength(20);
      await wire.close();
    });
  });

  describe('that may take another way', () => {
    it('takes it once, if nothing was heard in time, whichever of two replicas looks', async () => {
      const variables = { PUBLIC_URL, ...WHATSAPP, ...CALL, FALLBACK: 'sms>whatsapp>call@5s' };
      const servers = [await deployment.start(variables), await deployment.start(variables)] as const;
      const [one, other] = servers;
      /** To one replica, at the address that the message named. */
      const report = ({ client }: ServerProcess, { sid, statusCallback }: AcceptedMessage, said: Said) => {
        const signedFor = statusCallback as string;
        const { pathname, search } = new URL(signedFor);
        return twilio.report(sid, said, { url: client.url + pathname + search, signedFor });
      };
      const askFor = async (howMany: number) =>
        inFlight(times(howMany, someNumber), (number, i) => ask(i % 2 ? one : other, number));
      const firstOf = ({ number }: Asked) =>
        waitFor('the message', () => messagesTo(number)[0]) as Promise<AcceptedMessage>;

      const silent = await askFor(100);
      const sent = await askFor(5);
      for (const asked of sent) expect(await report(one, await firstOf(asked), 'sent')).toBe(204);
      const approved = await askFor(5);
      for (const asked of approved) {
        const [code] = codesTo([await firstOf(asked)]);
        const answer = await other.client.post(`/v1/verifications/${asked.id}/check`, { code });
        expect(answer.status).toBe(200);
      }
      const failed = await askFor(20);
      for (const asked of failed) {
        const message = await firstOf(asked);
        const said = { undelivered: 30003 };
        expect(await Promise.all(servers.map((server) => report(server, message, said)))).toEqual([204, 204]);
      }
      const all = [silent, sent, approved, failed];
      await twilio.received(130 + 120);
      // One more message takes its other way after what the others had to wait for theirs, and for a third one.
      const [last] = (await askFor(1)) as [Asked];
      await waitFor('the last one', () => messagesTo(last.number).length === 2);

      const ways = all.map((group) =>
        count(
          group.map(({ number }) => {
            const messages = messagesTo(number);
            return { status: `${messages.map(({ channel }) => channel)} of ${codesTo(messages).size}` };
          }),
        ),
      );
      const waits = silent.map(({ number, at }) => Number(messagesTo(number)[1]?.receivedAt) - at);
      tell('fallbacks on two replicas (silent, sent, approved, failed)', { ways, ...spread(waits) });
      expect(ways).toEqual([
        { 'sms,whatsapp of 1': 100 },
        { 'sms of 1': 5 },
        { 'sms of 1': 5 },
        { 'sms,whatsapp of 1': 20 },
      ]);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(5_000);
    }, 60_000);
  });

  describe('by a provider that hangs', () => {
    it('is asked for as fast as ever, and finished when the provider is back', async () => {
      twilio.answerAll('hang');
      const server = await deployment.start();
      const began = Date.now();
      const asked = await inFlight(times(100, someNumber), (number) => ask(server, number));
      const answers = spread(asked.map(({ tookMs }) => tookMs));
      expect((await server.client.get('/health/ready')).body.status).toBe('ok');
      await waitFor('nobody to be asked any more', () => server.output.includes('circuit_opened'), 20_000);
      twilio.answerAll('accept');
      const isSettled = ({ status }: Delivery) => status === 'sent' || status === 'failed';
      const deliveries = await inFlight(asked, (one) => deliveryOf(server, one, isSettled, 60_000));

      const outcomes = deliveries.map(({ status }, i) => {
        const { number } = asked[i] as Asked;
        return { status, requests: requestsFor(number), messages: messagesTo(number).length };
      });
      const twice = outcomes.filter(({ requests }) => requests === 2).length;
      const told = { ...answers, ...count(outcomes), twice, wallMs: Date.now() - began };
      tell('100 requests while the provider hangs', told);
      // A provider that was waited for would make it eight seconds.
      expect(answers.p99).toBeLessThanOrEqual(2_000);
      // Whom the provider kept waiting twice, before the circuit opened, it is not asked for a third time.
      for (const { status, requests, messages } of outcomes) {
        expect(requests).toBeLessThanOrEqual(2);
        expect([messages, requests]).toEqual(status === 'sent' ? [1, requests] : [0, 2]);
      }
    }, 90_000);

    it('is risked once more, with the same code, when the answer was cut off', async () => {
      twilio.answerAll('cut');
      const server = await deployment.start();
      const asked = await inFlight(times(9, someNumber), (number) => ask(server, number));
      const deliveries = await inFlight(asked, (one) => deliveryOf(server, one, isOver));
      expect(count(deliveries)).toEqual({ failed: 9 });
      for (const { number } of asked) {
        expect(messagesTo(number)).toHaveLength(2);
        expect(codesTo(messagesTo(number)).size).toBe(1);
      }
    });

    it('is not risked again when a report says in time that it arrived', async () => {
      const server = await startWithReports();
      const numbers = times(10, someNumber) as [string, ...string[]];
      const [unreported] = numbers.slice(-1) as [string];
      twilio.answer(...times(10, () => 'cut' as const));
      twilio.callbacks(({ to }) => (to === unreported ? [] : ['delivered']), { lateMs: 50 });
      const asked: Asked[] = [];
      for (const number of numbers) asked.push(await ask(server, number));
      // By the time that the last one is risked again so would have been the others.
      await waitFor('the second try', () => messagesTo(unreported).length === 2);
      const deliveries = await inFlight(asked.slice(0, -1), (one) => deliveryOf(server, one, isOver));
      expect(count(deliveries)).toEqual({ delivered: 9 });
      expect(twilio.requests).toHaveLength(11);
    });
  });

  describe('by a provider that is not paid', () => {
    let gateway: Gateway;

    beforeEach(async () => {
      gateway = await Gateway.start();
    });
    afterEach(() => gateway.stop());

    it('goes through another one at once, until the first is right again', async () => {
      twilio.answerAll({ refuse: 20003, status: 401 });
      const server = await deployment.start({ ...WHATSAPP, ...gateway.variables, FALLBACK: 'sms>sms:http' });
      const metrics = async () => (await server.client.get('/metrics')).body as string;
      const isOpen = async () => /circuit_open\{sender="twilio"\} (\d)/.exec(await metrics())?.[1];

      const first = await ask(server, someNumber());
      await waitFor('the other way', () => gateway.received.length === 1);
      const openedAt = Date.now();
      expect(await isOpen()).toBe('1');
      expect(await metrics()).toContain('latchkey_message_alarms_total{sender="twilio",code="20003"} 1');
      const asked = await inFlight(times(50, someNumber), (number) => ask(server, number));
      // These have no other way, and wait.
      const waiting = await inFlight(times(3, someNumber), (number) =>
        ask(server, number, { channel: 'whatsapp' }),
      );
      await waitFor('the other ways', () => gateway.received.length === 51);
      expect(twilio.requests).toHaveLength(1);
      expect(gateway.numbers).toEqual([first, ...asked].map(({ number }) => number).sort());
      const waits = asked.map(({ number, at }) => gateway.atOf(number) - at);

      twilio.answerAll('accept');
      await waitFor('those that waited', () => twilio.messages.length === 3, 20_000);
      const sparedMs = Number(twilio.messages[0]?.receivedAt) - openedAt;
      tell('an account that is not paid', { ...spread(waits), sparedMs });
      expect(twilio.messages.map(({ to }) => to).sort()).toEqual(waiting.map(({ number }) => number).sort());
      expect(sparedMs).toBeGreaterThan(9_000);
      expect(await isOpen()).toBe('0');
      const next = await ask(server, someNumber());
      await waitFor('the usual way', () => messagesTo(next.number).length === 1);
      expect(gateway.received).toHaveLength(51);
      expect(spread(waits).p95).toBeLessThanOrEqual(2_000);
    });
  });

  describe('to a number that no message reaches', () => {
    const variables = { LIMIT_COOL_DOWN: '1s' };

    /** As soon as the number may be sent something again. */
    function askAgain({ client }: ServerProcess, phone_number: string) {
      return waitFor('another one', async () => {
        const answer = await client.post('/v1/verifications', { phone_number });
        return answer.status === 202 && answer;
      });
    }

    it('fails without the provider from then on, and is answered like any other', async () => {
      const server = await deployment.start(variables);
      const number = someNumber();
      twilio.answer({ refuse: 21614 });
      const first = await server.client.post('/v1/verifications', { phone_number: number });
      const failed = { status: 'failed', reason: 'invalid_number' };
      expect(await deliveryOf(server, first.body, isOver)).toEqual(failed);
      const [other, second] = [await ask(server, someNumber()), await askAgain(server, number)];

      expect(await deliveryOf(server, second.body, isOver)).toEqual(failed);
      expect(shapeOf(second.body)).toEqual(shapeOf(first.body));
      await waitFor('the other number', () => messagesTo(other.number).length === 1);
      expect(requestsFor(number)).toBe(1);
    });

    it('goes by call, the second time at once', async () => {
      const server = await deployment.start({ ...variables, ...CALL, FALLBACK: 'sms>call' });
      const number = someNumber();
      twilio.answer({ refuse: 21614 });
      const first = await server.client.post('/v1/verifications', { phone_number: number });
      await waitFor('the call', () => messagesTo(number).length === 1);
      const second = await askAgain(server, number);
      await waitFor('the second call', () => messagesTo(number).length === 2);

      expect(messagesTo(number).map(({ channel }) => channel)).toEqual(['call', 'call']);
      expect(requestsFor(number)).toBe(3);
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(shapeOf(second.body)).toEqual(shapeOf(first.body));
    });
  });

  it('is tried again after errors and a 429, no sooner than the provider wishes', async () => {
    twilio.answer({ fail: 500 }, { throttle: '2' }, 'accept');
    const server = await deployment.start();
    const asked = await ask(server, someNumber());
    await twilio.received(1);
    expect(Number(twilio.messages[0]?.receivedAt) - asked.at).toBeGreaterThanOrEqual(2_400);
    expect(twilio.requests).toHaveLength(3);
  });

  it('is not tried again after a refusal', async () => {
    twilio.answer({ refuse: 21211 });
    const server = await deployment.start();
    const asked = await ask(server, someNumber());
    expect(await deliveryOf(server, asked, isOver)).toEqual({ status: 'failed', reason: 'invalid_number' });
    expect(twilio.requests).toHaveLength(1);
  });
});

/** Codes with thirty seconds to live: one that the provider turns away, one that it wants later, one that it takes. */
class ShortLived {
  server: ServerProcess;
  asked: Record<'silent' | 'throttled' | 'deferred', Asked>;
  /** How long it took to see that the provider wants it too late. */
  throttledForMs: number;

  constructor(private readonly deployment: Deployment) {}

  async ask(): Promise<void> {
    const { twilio } = this.deployment;
    const FALLBACK = 'sms>whatsapp@31s';
    this.server = await this.deployment.start({ PUBLIC_URL, ...WHATSAPP, ...CALL, FALLBACK, OTP_TTL: '30s' });
    const silent = await ask(this.server, someNumber());
    await twilio.received(1);
    // Calls have no other way.
    twilio.answer({ throttle: '3600' });
    const throttled = await ask(this.server, someNumber(), { channel: 'call' });
    await twilio.requested(2);
    twilio.answerAll({ fail: 503 });
    const deferred = await ask(this.server, someNumber(), { channel: 'call' });
    this.asked = { silent, throttled, deferred };
    await deliveryOf(this.server, throttled, isOver);
    this.throttledForMs = Date.now() - throttled.at;
  }

  requestsFor({ number }: Asked): number {
    return this.deployment.twilio.requests.filter(({ form }) => form.get('To') === number).length;
  }

  messagesOf({ number }: Asked): string[] {
    return this.deployment.twilio.messages.filter(({ to }) => to === number).map(({ channel }) => channel);
  }

  close(): Promise<void> {
    return this.deployment.close();
  }
}

/** Another provider's API: takes everything. */
class Gateway {
  readonly received: { readonly to: string; readonly at: number }[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Gateway> {
    const server = createServer(async (request, response) => {
      const { to } = (await json(request)) as { to: string };
      gateway.received.push({ to, at: Date.now() });
      response.end('{}');
    });
    const gateway = new Gateway(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gateway;
  }

  get variables(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return { HTTP_SENDER_URL: `http://127.0.0.1:${port}/send`, HTTP_SENDER_ALLOW_PRIVATE: 'on' };
  }

  get numbers(): string[] {
    return this.received.map(({ to }) => to).sort();
  }

  atOf(number: string): number {
    return this.received.find(({ to }) => to === number)?.at ?? Number.NaN;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

async function ask({ client }: ServerProcess, number: string, more: object = {}): Promise<Asked> {
  const [at, began] = [Date.now(), performance.now()];
  const { status, body } = await client.post('/v1/verifications', { phone_number: number, ...more });
  expect(status).toBe(202);
  return { id: body.id, number, at, tookMs: Math.round(performance.now() - began) };
}

async function read({ client }: ServerProcess, { id }: Pick<Asked, 'id'>) {
  return (await client.get(`/v1/verifications/${id}`)).body;
}

/** Waits for it to be so. */
function deliveryOf(
  server: ServerProcess,
  asked: Pick<Asked, 'id'>,
  isSo: (delivery: Delivery) => boolean,
  withinMs = 20_000,
): Promise<Delivery> {
  const look = async () => {
    const { status, reason } = (await read(server, asked)).delivery;
    return isSo({ status, reason }) && { status, reason };
  };
  return waitFor('the end of the delivery', look, withinMs);
}

function isOver({ status }: Delivery): boolean {
  return OVER.includes(status);
}

/** Does it for each, a few at once, and keeps the order. */
async function inFlight<T, R>(items: readonly T[], work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  await Promise.all(
    times(IN_FLIGHT, async () => {
      for (const [i, item] of rest) results[i] = await work(item, i);
    }),
  );
  return results;
}

function times<T>(howMany: number, make: (i: number) => T): T[] {
  return Array.from({ length: howMany }, (_, i) => make(i));
}

function count(things: readonly { readonly status: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of things) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function spread(values: readonly number[]): Record<'p50' | 'p95' | 'p99' | 'max', number> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

function codesTo(messages: readonly AcceptedMessage[]): Set<string | undefined> {
  return new Set(messages.map(({ body }) => /\d{6}/.exec(body)?.[0]));
}

/** An answer without what is anybody's own. */
function shapeOf(body: Record<string, unknown>): object {
  const { delivery, status, channel, code_length, attempts_left } = body;
  const { updated_at: _, ...state } = delivery as Record<string, unknown>;
  return { names: Object.keys(body), status, channel, code_length, attempts_left, state };
}
