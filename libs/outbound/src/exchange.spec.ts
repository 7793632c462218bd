import { once } from 'node:events';
import { Agent } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { failureOf } from '../../../test/support/failure.js';
import { ExchangeFailed, exchange } from './exchange.js';

const LIMITS = { timeMs: 5_000, answerBytes: 1_000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('exchange', () => {
  let server: Server;
  let agent: Agent;
  let sockets: Socket[];
  /** The complete requests, in order. */
  let requests: string[];
  let answer: (socket: Socket) => void;

  beforeEach(async () => {
    sockets = [];
    requests = [];
    answer = (socket) => socket.write(OK);
    agent = new Agent({ keepAlive: true });
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (!text.endsWith('secret')) return;
        requests.push(text);
        text = '';
        answer(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    agent.destroy();
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  });

  it('returns the answer and keeps the connection for the next request', async () => {
    const answers = [await ask(), await ask(), await ask()];

    expect(answers.map(({ status, text }) => [status, text])).toEqual(Array(3).fill([200, 'ok']));
    expect(sockets).toHaveLength(1);
  });

  it('returns the beginning of an answer that is too long, and ends its connection', async () => {
    const text = '"'.padEnd(LIMITS.answerBytes, '-');
    answer = (socket) => socket.write(`HTTP/1.1 201 Created\r\nContent-Length: 9000000\r\n\r\n${text}+`);

    expect(await ask()).toMatchObject({ status: 201, text });
    const [socket] = sockets as [Socket];
    if (!socket.closed) await once(socket, 'close');
  });

  it('returns an answer that is exactly as long as allowed', async () => {
    const text = '-'.repeat(LIMITS.answerBytes);
    answer = (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);

    expect(await ask()).toMatchObject({ text });
  });

  it('does not repeat a request when the server closes the kept connection while it is written', async () => {
    await ask();
    // Reads nothing of the next request, as a server whose idle limit has just passed.
    (sockets[0] as Socket).removeAllListeners('data').once('data', () => sockets[0]?.destroy());

    const error = await failureOf(ask());

    expect(error).toMatchObject({ reached: true, reason: 'ECONNRESET' });
    expect(sockets).toHaveLength(1);
  });

  it('uses a new connection after the server closed the kept one', async () => {
    await ask();
    const [kept] = Object.values(agent.freeSockets).flat() as [Socket];
    sockets[0]?.end();
    await once(kept, 'close');

    expect(await ask()).toMatchObject({ text: 'ok' });
    expect(sockets).toHaveLength(2);
  });

  it.each<[when: string, reason: string, broken: (socket: Socket) => void]>([
    ['is cut off', 'ECONNRESET', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')],
    ['never comes, and the connection is reset', 'ECONNRESET', (socket) => socket.resetAndDestroy()],
    ['never comes, and the connection is closed', 'ECONNRESET', (socket) => socket.end()],
    ['is not HTTP', 'HPE_INVALID_CONSTANT', (socket) => socket.end('what?\r\n\r\n')],
    ['has too many headers', 'HPE_HEADER_OVERFLOW', (socket) => socket.write(headerBomb())],
  ])('fails when the answer %s', async (_, reason, broken) => {
    answer = broken;

    const error = await failureOf(ask());

    expect(error).toMatchObject({ reached: true, reason });
    expect(error).toBeInstanceOf(ExchangeFailed);
    expect(requests).toHaveLength(1);
    expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/secret|127\.0\.0\.1/);
  });

  it('fails for a URL that Node cannot read, without quoting it', async () => {
    const question = { method: 'POST', url: 'http://secret%20.example.com/', headers: {} };

    const error = await failureOf(exchange(question, agent, LIMITS));

    expect(error).toMatchObject({ reached: false, reason: 'ERR_INVALID_URL' });
    expect(error).toBeInstanceOf(ExchangeFailed);
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('secret');
  });

  it('tells a request that never got a connection from one that was sent', async () => {
    agent.maxSockets = 1;
    answer = () => {};

    const errors = await Promise.all([ask(300), ask(100)].map(failureOf));

    expect(errors.map((error) => (error as ExchangeFailed).reached)).toEqual([true, false]);
    expect(errors.map((error) => (error as ExchangeFailed).reason)).toEqual(['timeout', 'timeout']);
    expect(requests).toHaveLength(1);
  });

  function ask(timeMs = LIMITS.timeMs) {
    const { port } = server.address() as AddressInfo;
    const headers = { authorization: 'Basic secret', 'content-length': '9' };
    const question = { method: 'POST', url: `http://127.0.0.1:${port}/`, headers, body: 'my-secret' };
    return exchange(question, agent, { ...LIMITS, timeMs });
  }
});

function headerBomb(): string {
  return `HTTP/1.1 200 OK\r\n${`X-Long: ${'x'.repeat(1_000)}\r\n`.repeat(100)}\r\n`;
}
