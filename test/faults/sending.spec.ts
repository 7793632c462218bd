import { someNumber } from '../support/api.js';
import { freshDatabase, freshRedis, modes, type TestDatabase } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { ServerProcess, throughTwilio } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

const SENDS = 200;
const SLOW_MS = 300;

/** How many sends one process has under way at once: what a SIGKILL can double. */
const UNDER_WAY = 50;

interface Audit {
  readonly accepted: number;
  readonly delivered: number;
  readonly doubled: number;
}

/** Whatever happens to the process, what it accepted reaches the provider. */
describe.each(modes)('An accepted send on $name', (mode) => {
  let twilio: FakeTwilio;
  let database: TestDatabase;
  let variables: Record<string, string>;
  const processes: ServerProcess[] = [];

  beforeEach(async () => {
    twilio = await FakeTwilio.start();
    database = await freshDatabase();
    variables = {
      ...throughTwilio(twilio),
      DATABASE_URL: database.url,
      SECRET: 'a secret for tests that is long enough',
      ...(mode.redis && { REDIS_URL: await freshRedis() }),
    };
  });
  afterEach(async () => {
    await Promise.all(processes.splice(0).map((server) => server.end('SIGKILL')));
    await twilio.stop();
    await database.drop();
  });

  async function start(more: Record<string, string> = {}): Promise<ServerProcess> {
    const server = await ServerProcess.api({ ...variables, ...more });
    processes.push(server);
    return server;
  }

  /** Asks for codes for as many numbers at once; the numbers whose request was accepted. */
  async function request(server: ServerProcess, sends = SENDS): Promise<string[]> {
    const numbers = Array.from({ length: sends }, someNumber);
    const answers = await Promise.all(
      numbers.map((phone_number) => server.client.post('/v1/verifications', { phone_number })),
    );
    return numbers.filter((_, i) => answers[i]?.status === 202);
  }

  function audit(numbers: string[]): Audit {
    const received = numbers.map((number) => twilio.messages.filter(({ to }) => to === number));
    const codes = received.map((messages) => new Set(messages.map(({ body }) => /\d{6}/.exec(body)?.[0])));
    expect(codes.every(({ size }) => size <= 1)).toBe(true);
    return {
      accepted: numbers.length,
      delivered: received.filter(({ length }) => length > 0).length,
      doubled: received.filter(({ length }) => length > 1).length,
    };
  }

  /** For whoever reads the run: the specs bound these numbers, the log tells them. */
  function report(what: string, numbers: unknown): void {
    process.stdout.write(`    ${mode.name}, ${what}: ${JSON.stringify(numbers)}\n`);
  }

  it('is finished before SIGTERM ends the process, when there is time', async () => {
    twilio.answerAll({ slow: SLOW_MS });
    const server = await start({ DRAIN_TIMEOUT: '30s' });
    const numbers = await request(server);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    report('SIGTERM with 30 s to drain', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: SENDS, delivered: SENDS, doubled: 0 });
  });

  it('is left to the next process, and not doubled, when SIGTERM leaves no time', async () => {
    twilio.answerAll({ slow: SLOW_MS });
    const server = await start({ DRAIN_TIMEOUT: '1s' });
    const numbers = await request(server);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    expect(twilio.messages.length).toBeLessThan(SENDS);

    await start();
    await waitFor('the rest', () => audit(numbers).delivered === SENDS, 20_000);
    report('SIGTERM with 1 s to drain, then the next start', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: SENDS, delivered: SENDS, doubled: 0 });
  });

  it('survives SIGKILL: the next process sends it within ten seconds of being up', async () => {
    // So slow that the last is accepted long before the last is sent.
    twilio.answerAll({ slow: 10 * SLOW_MS });
    const killed = await start();
    const numbers = await request(killed);
    await twilio.received(1);
    await killed.end('SIGKILL');
    expect(twilio.messages.length).toBeLessThan(SENDS);
    twilio.answerAll({ slow: SLOW_MS });

    await start();
    await waitFor('the rest', () => audit(numbers).delivered === SENDS, 10_000);
    const { accepted, doubled } = audit(numbers);
    report('SIGKILL, then the next start', audit(numbers));
    expect(accepted).toBe(SENDS);
    expect(doubled).toBeLessThanOrEqual(UNDER_WAY);
  });

  it('is sent by a worker when the API only answers', async () => {
    const server = await start({ BACKGROUND: 'off' });
    const [number] = await request(server, 1);
    expect(twilio.requests).toHaveLength(0);
    const worker = ServerProcess.spawn('worker', variables);
    processes.push(worker);
    await twilio.received(1);
    expect(twilio.messages[0]?.to).toBe(number);
    expect((await worker.end('SIGTERM')).code).toBe(0);
    expect((await server.end('SIGTERM')).code).toBe(0);
  });

  it('is answered while the provider hangs', async () => {
    twilio.answerAll('hang');
    const server = await start();
    const asked = performance.now();
    const numbers = await request(server, 20);
    console.log(
      `20 requests answered in ${Math.round(performance.now() - asked)} ms while the provider hangs`,
    );
    expect(numbers).toHaveLength(20);
    await twilio.requested(20);
    const { body } = await server.client.get('/health/ready');
    expect(body.status).toBe('ok');
  });

  describe('that the provider does not take at once', () => {
    let server: ServerProcess;

    async function deliveryAfter(...answers: Parameters<FakeTwilio['answer']>): Promise<string> {
      twilio.answer(...answers);
      server = await start();
      const { body } = await server.client.post('/v1/verifications', { phone_number: someNumber() });
      return waitFor(
        'the end of the delivery',
        async () => {
          const now = await server.client.get(`/v1/verifications/${body.id}`);
          return now.body.delivery.status !== 'queued' && now.body.delivery.status;
        },
        25_000,
      );
    }

    it('is tried again after 500s and a 429, no sooner than the provider wishes', async () => {
      expect(await deliveryAfter({ fail: 500 }, { throttle: '2' }, 'accept')).toBe('sent');
      expect(twilio.requests).toHaveLength(3);
      expect(twilio.messages).toHaveLength(1);
    });

    it('is not tried again after a refusal', async () => {
      expect(await deliveryAfter({ refuse: 21211 })).toBe('failed');
      expect(twilio.requests).toHaveLength(1);
    });

    it('is tried five times at most', async () => {
      twilio.answerAll({ fail: 503 });
      expect(await deliveryAfter()).toBe('failed');
      expect(twilio.requests).toHaveLength(5);
    });

    it('is risked once more, with the same code, when the answer was cut off', async () => {
      expect(await deliveryAfter('cut', 'cut', 'accept')).toBe('failed');
      expect(twilio.messages).toHaveLength(2);
      expect(new Set(twilio.messages.map(({ body }) => /\d{6}/.exec(body)?.[0])).size).toBe(1);
    });
  });
});
