import { busyness } from '../support/busyness.js';
import { Client } from '../support/client.js';
import { codesIn } from '../support/code-requests.js';
import { mainlyOn } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { FakeTwilio } from '../support/fake-twilio.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import type { ServerProcess } from '../support/server-process.js';
import { printNumbers } from '../support/statistics.js';
import { waitFor } from '../support/wait.js';

const MESSAGES = 200;
const SLOW_MS = 300;
const MOST_TRIES = 3;

/** The messages that one process sends at the same time. A SIGKILL can duplicate these. */
const IN_FLIGHT = 72;

interface Audit {
  readonly accepted: number;
  readonly delivered: number;
  readonly doubled: number;
}

describe.each(mainlyOn('postgres'))('An accepted message on $name', (mode) => {
  let deployment: Deployment;
  let twilio: FakeTwilio;

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    twilio = deployment.twilio;
  });
  afterEach(() => deployment.close());

  /** Requests codes until this many requests are accepted, each for a number of its own. Returns these numbers. */
  function request(server: ServerProcess, messages = MESSAGES): Promise<string[]> {
    return mapInFlight(times(messages, Number), () => requestOne(server), BURST);
  }

  /** A busy machine may answer 503. The message may be queued all the same, so the next request is for another number. */
  async function requestOne(server: ServerProcess): Promise<string> {
    for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
      const phone_number = someNumber();
      const { status } = await server.client.post('/v1/verifications', { phone_number });
      if (status === 202) return phone_number;
      expect(status).toBe(503);
    }
    throw new Error('no request was accepted');
  }

  function audit(numbers: string[]): Audit {
    const received = numbers.map((number) => twilio.messagesTo(number));
    expect(received.map(codesIn).every(({ size }) => size <= 1)).toBe(true);
    return {
      accepted: numbers.length,
      delivered: received.filter(({ length }) => length > 0).length,
      doubled: received.filter(({ length }) => length > 1).length,
    };
  }

  const print = (what: string, numbers: object) => printNumbers(`${mode.name}, ${what}`, numbers);

  it('is sent before the process ends on SIGTERM, when the drain timeout allows', async () => {
    twilio.answerAll({ slow: SLOW_MS });
    const server = await deployment.start({ DRAIN_TIMEOUT: '30s' });
    const numbers = await request(server);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    print('SIGTERM with 30 s to drain', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: MESSAGES, delivered: MESSAGES, doubled: 0 });
  });

  it('is sent once, by the next process, when the drain timeout is too short', async () => {
    twilio.answerAll({ slow: 3 * SLOW_MS });
    // On a busy machine a server that also sends would have sent them all before the last one is accepted.
    const accepting = await deployment.start({ BACKGROUND: 'off' });
    const numbers = await request(accepting);
    await accepting.end('SIGTERM');
    const server = await deployment.start({ DRAIN_TIMEOUT: '3s' });
    await twilio.received(1);
    const { code } = await server.end('SIGTERM');
    expect(code).toBe(0);
    expect(twilio.messages.length).toBeLessThan(MESSAGES);

    await deployment.start();
    await waitFor('the remaining messages', () => audit(numbers).delivered === MESSAGES, 20_000);
    print('SIGTERM with 3 s to drain, then the next start', audit(numbers));
    expect(audit(numbers)).toEqual({ accepted: MESSAGES, delivered: MESSAGES, doubled: 0 });
  });

  it('survives SIGKILL and is sent within ten seconds of the next start', async () => {
    twilio.answerAll({ slow: 10 * SLOW_MS });
    // A server that also sends could have sent them all before the last one is accepted, on a busy machine.
    const accepting = await deployment.start({ BACKGROUND: 'off' });
    const numbers = await request(accepting);
    await accepting.end('SIGKILL');
    const killed = await deployment.start();
    await twilio.received(1);
    await killed.end('SIGKILL');
    expect(twilio.messages.length).toBeLessThan(MESSAGES);
    twilio.answerAll({ slow: SLOW_MS });

    await deployment.start();
    const withinMs = 10_000 * busyness();
    await waitFor('the remaining messages', () => audit(numbers).delivered === MESSAGES, withinMs);
    print('SIGKILL, then the next start', audit(numbers));
    const { accepted, doubled } = audit(numbers);
    expect(accepted).toBe(MESSAGES);
    expect(doubled).toBeLessThanOrEqual(IN_FLIGHT);
  });

  it('is sent at once with 71 others, each on a connection of its own', async () => {
    twilio.answerAll('hang');
    const server = await deployment.start();
    await request(server, IN_FLIGHT + 10);
    await twilio.requested(IN_FLIGHT);
    expect(twilio.connections).toBe(IN_FLIGHT);
    await server.end('SIGKILL');
  });

  it('is sent by a worker when the API runs no tasks', async () => {
    const server = await deployment.start({ BACKGROUND: 'off' });
    const [number] = await request(server, 1);
    expect(twilio.requests).toHaveLength(0);
    const worker = deployment.startWorker({ METRICS_PORT: '0', LOG_LEVEL: 'info' });
    await twilio.received(1);
    expect(twilio.messages[0]?.to).toBe(number);
    const metrics = await waitFor('the address of the metrics', () => {
      return /metrics at (\S+)\/metrics/.exec(worker.output)?.[1];
    });
    await waitFor('the metrics', async () => {
      const { body } = await new Client(metrics).get('/metrics');
      return /latchkey_messages_total\{.*status="sent".*\} 1/.test(body);
    });
    expect((await worker.end('SIGTERM')).code).toBe(0);
    expect((await server.end('SIGTERM')).code).toBe(0);
  });
});
