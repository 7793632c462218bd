import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { newWebhookSecret, WebhookReceiver } from '../../../test/support/webhook-receiver.js';
import { WebhookClient } from './webhook-client.js';

const EVENT = {
  id: randomUUID(),
  type: 'webhook.test',
  timestamp: new Date('2026-11-26T12:00:00Z'),
  data: { a: 'ü' },
};

describe('WebhookClient', () => {
  let receiver: WebhookReceiver;

  beforeEach(async () => {
    receiver = await WebhookReceiver.start();
  });
  afterEach(() => receiver.stop());

  const clientOf = (
    changes: Partial<ConstructorParameters<typeof WebhookClient>[0]> = {},
    limitMs?: number,
  ) => {
    const settings = { secrets: [receiver.secret], allowPrivate: true, numbers: false, retryWaitsMs: [] };
    return new WebhookClient(
      { url: receiver.variables.WEBHOOK_URL as string, ...settings, ...changes },
      limitMs,
    );
  };

  /** Runs a server that answers as the listener does, and returns the client's answer. */
  async function answerOf(listener: RequestListener, limitMs?: number) {
    const server: Server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      return await clientOf({ url: `http://127.0.0.1:${port}/` }, limitMs).send(EVENT);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }

  it('sends an event that the receiver can verify', async () => {
    expect(await clientOf().send(EVENT)).toEqual({ status: 204, retryAfterMs: undefined });
    expect(receiver.received).toEqual([
      {
        ...{
          id: EVENT.id,
          type: 'webhook.test',
          timestamp: '2026-11-26T12:00:00.000Z',
          data: { a: 'ü' },
          status: 204,
        },
        raw: '{"type":"webhook.test","timestamp":"2026-11-26T12:00:00.000Z","data":{"a":"ü"}}',
      },
    ]);
  });

  it('signs with both secrets of a rotation', async () => {
    const secrets = [newWebhookSecret(), receiver.secret];
    expect(await clientOf({ secrets }).send(EVENT)).toMatchObject({ status: 204 });
    await clientOf({ secrets: secrets.toReversed() }).send(EVENT);
    const [first, second] = receiver.signatures;
    expect(first).toHaveLength(2);
    expect(first?.every((signature) => /^v1,[A-Za-z0-9+/]{43}=$/.test(signature))).toBe(true);
    expect(second).toHaveLength(2);
    expect(receiver.forged).toEqual([]);
  });

  it('sends the user and the password of the address', async () => {
    const url = `http://hook:pass%20word@127.0.0.1:${receiver.port}/`;
    expect(await clientOf({ url }).send(EVENT)).toMatchObject({ status: 204 });
    expect(receiver.authorizations).toEqual([`Basic ${Buffer.from('hook:pass word').toString('base64')}`]);
  });

  it('returns the status of a failure, and when the receiver wants another try', async () => {
    receiver.reply = () => ({ status: 429, headers: { 'retry-after': '120' } });
    expect(await clientOf().send(EVENT)).toEqual({ status: 429, retryAfterMs: 120_000 });
  });

  it('follows no redirect', async () => {
    receiver.reply = () => ({ status: 307, headers: { location: '/elsewhere' } });
    expect(await clientOf().send(EVENT)).toMatchObject({ status: 307 });
    expect(receiver.received).toHaveLength(1);
  });

  it('reads no long answer', async () => {
    const endless: RequestListener = (_, response) => {
      const write = () => {
        while (response.write('x'.repeat(10_000)) && !response.destroyed);
      };
      response.on('drain', write);
      write();
    };
    expect(await answerOf(endless)).toMatchObject({ status: 200 });
  });

  it('waits only briefly for an answer, and for the end of one', async () => {
    expect(await answerOf(() => {}, 100)).toEqual({ failure: 'timeout' });
    expect(await answerOf((_, response) => void response.write('begin'), 100)).toEqual({
      failure: 'timeout',
    });
  });

  it('returns why there was no answer, without the address', async () => {
    expect(await answerOf(({ socket }) => socket.destroy())).toEqual({ failure: 'ECONNRESET' });
    const client = clientOf();
    await receiver.stop();
    expect(await client.send(EVENT)).toEqual({ failure: 'ECONNREFUSED' });
    receiver = await WebhookReceiver.start();
  });

  it.each(['127.0.0.1', 'localhost', '[::1]', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0'])(
    'refuses to connect to http://%s unless private addresses are allowed',
    async (host) => {
      const url = `http://${host}:${receiver.port}/`;
      expect(await clientOf({ url, allowPrivate: false }).send(EVENT)).toEqual({
        failure: 'private_address',
      });
      expect(receiver.received).toEqual([]);
    },
  );

  it('does not expose its credentials to inspect()', () => {
    const client = clientOf({ url: 'https://user:kept-secret@app.example/?key=kept-secret' });
    const shown = inspect(client, { depth: 10, showHidden: false });
    expect(shown).not.toContain('kept-secret');
    expect(shown).not.toContain(receiver.secret.slice(6));
  });
});
