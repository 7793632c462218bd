import { someNumber } from '../support/api.js';
import { Client } from '../support/client.js';
import { modes } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { FakeTwilio } from '../support/fake-twilio.js';
import type { ServerProcess } from '../support/server-process.js';
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
  let deployment: Deployment;
  let twilio: FakeTwilio;

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

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
    const server = await deployment.start({ DRAIN_TIMEOUT: '30s' });
    const numbers = await request(server);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    report('SIGTERM with 30 s to drain', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: SENDS, delivered: SENDS, doubled: 0 });
  });

  it('is left to the next process, and not doubled, when SIGTERM leaves no time', async () => {
    twilio.answerAll({ slow: 3 * SLOW_MS });
    const server = await deployment.start({ DRAIN_TIMEOUT: '3s' });
    const numbers = await request(server);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    expect(twilio.messages.length).toBeLessThan(SENDS);

    await deployment.start();
    await waitFor('the rest', () => audit(numbers).delivered === SENDS, 20_000);
    report('SIGTERM with 3 s to drain, then the next start', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: SENDS, delivered: SENDS, doubled: 0 });
  });

  it('survives SIGKILL: the next process sends it within ten seconds of being up', async () => {
    // So slow that the last is accepted long before the last is sent.
    twilio.answerAll({ slow: 10 * SLOW_MS });
    const killed = await deployment.start();
    const numbers = await request(killed);
    await twilio.received(1);
    await killed.end('SIGKILL');
    expect(twilio.messages.length).toBeLessThan(SENDS);
    twilio.answerAll({ slow: SLOW_MS });

    await deployment.start();
    await waitFor('the rest', () => audit(numbers).delivered === SENDS, 10_000);
    const { accepted, doubled } = audit(numbers);
    report('SIGKILL, then the next start', audit(numbers));
    expect(accepted).toBe(SENDS);
    expect(doubled).toBeLessThanOrEqual(UNDER_WAY);
  });

  it('is sent by a worker when the API only answers', async () => {
    const server = await deployment.start({ BACKGROUND: 'off' });
    const [number] = await request(server, 1);
    expect(twilio.requests).toHaveLength(0);
    const worker = deployment.startWorker({ METRICS_PORT: '0', LOG_LEVEL: 'info' });
    await twilio.received(1);
    expect(twilio.messages[0]?.to).toBe(number);
    const [, metrics = ''] = /metrics at (\S+)\/metrics/.exec(worker.output) ?? [];
    await waitFor('the metrics', async () => {
      const { body } = await new Client(metrics).get('/metrics');
      return /latchkey_messages_total\{.*status="sent".*\} 1/.test(body);
    });
    expect((await worker.end('SIGTERM')).code).toBe(0);
    expect((await server.end('SIGTERM')).code).toBe(0);
  });
});
