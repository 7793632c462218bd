import { execFileSync } from 'node:child_process';
import { Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import { someNumber } from '../support/phone-numbers.js';
import type { ServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

const WORKERS = 2;
const PENDING = 20;

describe('An API of two processes', () => {
  let deployment: Deployment;
  let server: ServerProcess;

  beforeAll(async () => {
    deployment = await Deployment.open(POSTGRES_ALONE);
    server = await deployment.start({ WORKERS: String(WORKERS), METRICS_PORT: '0' });
    await started(WORKERS);
  });

  afterAll(() => deployment.close());

  it('serves one port, and adds the metrics of both processes up', async () => {
    const counts = async () => {
      const { body } = await metrics().get('/metrics');
      const routes = String(body).matchAll(/latchkey_http_request_duration_seconds_count\{.*live.*\} (\d+)/g);
      return [...routes].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = await counts();
    // A connection each, which the processes take in turns.
    const answers = await Promise.all(Array.from({ length: 10 }, () => server.client.get('/health/live')));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    await waitFor('both metrics', async () => (await counts()) === before + 10);
    expect((await metrics().get('/health/live')).status).toBe(200);
    expect((await server.client.get('/metrics')).status).toBe(404);
  });

  it('replaces a process that was killed, and serves meanwhile', async () => {
    const [killed, survivor] = processes();
    process.kill(killed as number, 'SIGKILL');
    await waitFor('the end in the log', () => server.output.includes(`process ${killed} ended (SIGKILL)`));
    // A connection that the killed process had taken is lost with it.
    const ask = () => server.client.post('/v1/verifications', { phone_number: someNumber() });
    await waitFor('an answer', async () => (await ask().catch(() => null))?.status === 202);
    await started(WORKERS + 1);
    expect(processes()).toHaveLength(WORKERS);
    expect(processes()).toContain(survivor);
  });

  it('sends what both processes accepted, and exits with 0, at a SIGTERM that reaches all of them', async () => {
    deployment.twilio.answerAll({ slow: 200 });
    const numbers = Array.from({ length: PENDING }, () => someNumber());
    const opened = await Promise.all(
      numbers.map((number) => server.client.post('/v1/verifications', { phone_number: number })),
    );
    expect(opened.map(({ status }) => status)).toEqual(Array(PENDING).fill(202));
    const pids = processes();
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(pids.filter(isRunning)).toEqual([]);
    const sent = deployment.twilio.messages.map(({ to }) => to);
    expect(sent).toEqual(expect.arrayContaining(numbers));
  });

  it('ends with the code and one message of its first process when that cannot start', async () => {
    const failed = await deployment.start({ WORKERS: '2', DATABASE_SCHEMA: 'Not A Schema' }).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(failed.match(/Latchkey (cannot start|failed)/g)).toHaveLength(1);
  });

  const metrics = () => new Client(/metrics at (\S+)\/metrics/.exec(server.output)?.[1] as string);

  function processes(): number[] {
    const list = execFileSync('ps', ['-A', '-o', 'ppid=,pid='], { encoding: 'utf8' });
    const pairs = list
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    return pairs.filter(([parent]) => parent === server.pid).map(([, pid]) => pid as number);
  }

  /** Each process logs that it is up. */
  async function started(count: number): Promise<void> {
    await waitFor('the processes', () => server.output.split('Latchkey is up').length > count, 30_000);
  }
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
