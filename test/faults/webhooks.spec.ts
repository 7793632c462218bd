import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import type { ServerProcess } from '../support/server-process.js';
import { codeIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const TYPES = ['session.created', 'user.created', 'verification.approved'];

describe.each(modes)('Webhooks on $name', (mode) => {
  let deployment: Deployment;
  let receiver: WebhookReceiver;
  /** The requests for each event. */
  let requests: Map<string, number>;

  beforeEach(async () => {
    deployment = await Deployment.open(mode);
    receiver = await WebhookReceiver.start();
    requests = new Map();
  });
  afterEach(async () => {
    await deployment.close();
    await receiver.stop();
    expect(receiver.forged).toEqual([]);
  });

  const start = (variables: Record<string, string> = {}) =>
    deployment.start({ ...receiver.variables, WEBHOOK_RETRIES: times(7, () => '1s').join(), ...variables });

  /** Makes the receiver fail for the first requests of each event. */
  const failTimes = (failures: number) => {
    receiver.reply = ({ id }) => {
      requests.set(id, (requests.get(id) ?? 0) + 1);
      return { status: (requests.get(id) as number) > failures ? 204 : 500 };
    };
  };

  async function codeFor(number: string, { client }: ServerProcess) {
    const { status, body } = await client.post('/v1/verifications', { phone_number: number });
    expect(status).toBe(202);
    const code = await waitFor('the code', () =>
      deployment.twilio.messagesTo(number).map(codeIn).find(Boolean),
    );
    return { path: `/v1/verifications/${body.id}`, code };
  }

  async function signIn(server: ServerProcess): Promise<Answer['body']> {
    const { path, code } = await codeFor(someNumber(), server);
    const { status, body } = await server.client.post(`${path}/check`, { code });
    expect(status).toBe(200);
    return body;
  }

  it('reach a receiver that fails five times, although the process is killed after its answer', async () => {
    failTimes(5);
    const sending = await start();
    const number = someNumber();
    const { path, code } = await codeFor(number, sending);
    const accepting = await start({ BACKGROUND: 'off' });
    await sending.end('SIGKILL');
    const { status, body } = await accepting.client.post(`${path}/check`, { code });
    await accepting.end('SIGKILL');
    expect(status).toBe(200);
    expect(receiver.received).toEqual([]);

    const { session_id, user } = body;
    const failing = await start();
    await waitFor('some tries that fail', () => receiver.received.length >= 6);
    await failing.end('SIGKILL');
    await start();
    for (const type of TYPES) {
      const { id } = await receiver.next(type, { user_id: user.id }, 60_000);
      expect(requests.get(id)).toBeGreaterThan(5);
    }
    expect(receiver.of('session.created', { session_id })).not.toEqual([]);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(TYPES.length);
  });

  it('are sent again after their process was killed while the receiver was answering', async () => {
    receiver.reply = () => 'hang';
    const killed = await start();
    const { user } = await signIn(killed);
    await waitFor('all requests', () => receiver.received.length === TYPES.length);
    await killed.end('SIGKILL');
    receiver.reply = () => ({ status: 200 });
    await start();
    for (const type of TYPES) await receiver.next(type, { user_id: user.id }, 60_000);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(TYPES.length);
  });

  it('to a receiver that hangs keep eight requests open, and no code from arriving', async () => {
    receiver.reply = () => 'hang';
    const server = await start();
    for (let i = 0; i < 12; i += 1) await signIn(server);
    await waitFor('eight requests', () => receiver.mostOpen === 8);
    for (let i = 0; i < 12; i += 1) await signIn(server);
    expect(receiver.mostOpen).toBe(8);
    const { output } = await server.end('SIGTERM');
    expect(output).not.toContain(`${receiver.port}/hook`);
  });
});
