import { once } from 'node:events';
import { PROBLEMS } from '#errors';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer, Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { connectTo, rawGet, rawPost, sendRaw, sendRawOnce } from '../support/raw-http.js';
import { signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const signUpBody = () => JSON.stringify({ phone_number: someNumber() });
const chunked = (...chunks: string[]) =>
  [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
const CHUNKED = { 'Transfer-Encoding': 'chunked' };

describe('The HTTP server', () => {
  let api: RunningApi;
  let client: Client;
  /** The answers to requests that never complete. They take ten seconds, so the requests start before the tests. */
  let stalled: Promise<Answer[]>;

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE);
    client = api.client;
    stalled = Promise.all([
      sendRawOnce(client, 'GET /health/live HTTP/1.1\r\nHost'),
      sendRawOnce(client, rawPost('/signup', { 'Content-Length': 2 }, '{')),
      sendRawOnce(client, rawPost('/signup', CHUNKED, '1\r\n{\r\n')),
    ]);
  });
  afterAll(() => api.stop());
  afterEach(async () => {
    expect((await client.get('/health/live')).status).toBe(200);
  });

  it.each([
    ['noise', Buffer.from([0, 1, 2, 255, 13, 10, 13, 10])],
    ['a TLS hello', Buffer.from('160301020001000', 'hex')],
    ['no path', 'GET\r\n\r\n'],
    ['an unknown HTTP version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an unknown method', 'SIGN /signup HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the path', rawGet('/health live')],
    ['a path without a slash', rawGet('health/live')],
    ['a NUL in a header', rawGet('/health/live', 'X-A: a\0b')],
    ['a folded header', rawGet('/health/live', 'X-A: a', ' b')],
    ['a header without a name', rawGet('/health/live', ': a')],
    ['no Host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['two Hosts', rawGet('/health/live', 'Host: latchkey')],
    ['two Hosts in HTTP/1.0', 'GET /health/live HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n'],
    ['a Host that is none', 'GET /health/live HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'],
    ['a negative length', rawPost('/signup', { 'Content-Length': -1 }, '{}')],
    ['a length that is not a number', rawPost('/signup', { 'Content-Length': 'two' }, '{}')],
    [
      'a length that is too large for a number',
      rawPost('/signup', { 'Content-Length': '9'.repeat(30) }, '{}'),
    ],
    ['two lengths', rawPost('/signup', { 'Content-Length': 2, 'content-length': 3 }, '{}')],
    ['a length and chunks', rawPost('/signup', { 'Content-Length': 5, ...CHUNKED }, chunked('{}'))],
    ['chunks and a length', rawPost('/signup', { ...CHUNKED, 'Content-Length': 5 }, chunked('{}'))],
    ['an unsupported transfer coding', rawPost('/signup', { 'Transfer-Encoding': 'gzip' }, '{}')],
    ['chunks without a size', rawPost('/signup', CHUNKED, 'zz\r\n{}\r\n0\r\n\r\n')],
    ['a chunk longer than it says', rawPost('/signup', CHUNKED, '1\r\n{}\r\n0\r\n\r\n')],
    ['an endless chunk extension', rawPost('/signup', CHUNKED, `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`)],
    ['a body longer than it says', rawPost('/signup', { 'Content-Length': 1 }, '{}')],
  ])('rejects %s as an invalid request', async (_, bytes) => {
    const { status, headers, body } = await sendRawOnce(client, bytes);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/);
  });

  it.each([
    ['one huge header', rawGet('/health/live', `X-Bomb: ${'a'.repeat(20_000)}`)],
    ['thousands of headers', rawGet('/health/live', ...Array.from({ length: 3_000 }, (_, i) => `X-${i}: a`))],
    ['a huge path', rawGet(`/${'a'.repeat(20_000)}`)],
  ])('rejects %s with 431', async (_, bytes) => {
    const { status, body } = await sendRawOnce(client, bytes);
    expect([status, body.code]).toEqual([431, 'headers_too_large']);
  });

  it.each([
    ['a declared', rawPost('/signup', { 'Content-Length': 99_999_999_999 }, '{}')],
    ['an undeclared', rawPost('/signup', { 'Transfer-Encoding': 'chunked' }, chunked(' '.repeat(20_000)))],
  ])('rejects a body of %s length that is too large', async (_, bytes) => {
    const { status, body } = await sendRawOnce(client, bytes);
    expect([status, body.code]).toEqual([413, 'payload_too_large']);
  });

  it('survives connections that break in the middle of a request', async () => {
    for (const bytes of [
      'GET /hea',
      rawPost('/signup', { 'Content-Length': 200 }, '{'),
      rawGet('/protected'),
    ]) {
      const socket = connectTo(client);
      await once(socket, 'connect');
      socket.write(bytes, () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    await signIn(api);
  });

  it.each([
    ['in chunks', () => rawPost('/signup', CHUNKED, chunked('{"phone_', `number":"${someNumber()}"}`))],
    [
      'after 100 Continue',
      () => rawPost('/signup', { Expect: '100-continue', 'Content-Length': 31 }, signUpBody()),
    ],
    [
      'with an unknown expectation',
      () => rawPost('/signup', { Expect: 'more', 'Content-Length': 31 }, signUpBody()),
    ],
  ])('accepts a body %s', async (_, bytes) => {
    const answers = await sendRaw(client, bytes());
    expect(answers.at(-1)).toMatchObject({ status: 200, body: { success: true } });
  });

  it('answers a request once that is refused before the rest of it proves malformed', async () => {
    const head = 'POST /nowhere HTTP/1.1\r\nHost: latchkey\r\nTransfer-Encoding: chunked\r\n\r\n';
    const socket = connectTo(client);
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    socket.write(head);
    await waitFor('the answer', () => Buffer.concat(received).includes('404 Not Found'));
    socket.write('ZZ\r\n');
    await once(socket, 'close');
    expect(String(Buffer.concat(received)).split('HTTP/1.1 ')).toHaveLength(2);
    // Both at once.
    await sendRawOnce(client, `${head}ZZ\r\n`);
  });

  it('speaks HTTP/1.0', async () => {
    const { status, headers } = await sendRawOnce(client, 'GET /health/live HTTP/1.0\r\n\r\n');
    expect(status).toBe(200);
    expect(headers.get('connection')).toBe('close');
  });

  it('answers pipelined requests in order', async () => {
    const keepAlive = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const answers = await sendRaw(
      client,
      keepAlive('/protected') + keepAlive('/health/ready') + keepAlive('/nowhere') + rawGet('/problems'),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 200, 404, 200]);
  });

  it.each(['CONNECT elsewhere:443', 'TRACE /signup', 'OPTIONS *', 'PROPFIND /', 'QUERY /signup', 'PRI *'])(
    'answers %s with nothing but a problem',
    async (request) => {
      const answers = await sendRaw(client, `${request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      for (const { status, body } of answers) {
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
        expect(PROBLEMS).toHaveProperty(body.code);
      }
    },
  );

  it('ignores requests to upgrade', async () => {
    const upgrade = [
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ];
    const request = rawGet('/health/live', ...upgrade).replace(
      'Connection: close',
      'Connection: upgrade, close',
    );
    expect((await sendRawOnce(client, request)).status).toBe(200);
  });

  it('answers stalled requests with 408, wherever they stalled', async () => {
    for (const { status, body } of await stalled) {
      expect([status, body.code]).toEqual([408, 'request_timeout']);
    }
  });
});
