import { execFileSync } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import type { HttpProviderConfig } from '#config';
import type { PhoneNumber } from '#phone';
import { failureOf } from '../../../test/support/failure.js';
import { waitFor } from '../../../test/support/wait.js';
import { GuardedProvider } from './circuit-breaker.js';
import { MAX_CONNECTIONS } from './max-connections.js';
import { HttpProvider } from './message-provider.http.js';
import { type Message, SendDeferred, SendOutcomeUnknown, SendRefused } from './message-provider.js';

// The agent reads `dns.lookup` once, when it is loaded.
jest.mock('node:dns', () => {
  const actual = jest.requireActual('node:dns');
  return { ...actual, lookup: jest.fn(actual.lookup) };
});

const MESSAGE = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: '739145 is your code',
  code: '739145',
  locale: 'pt-BR',
  validForSeconds: 299.9,
  reference: 'a-reference_1',
} as const satisfies Message;

const HOSTILE = `"739145"\\ <b>&amp; it's\r\n\t50% off? #1 + {{to}} 🔑 ${'\u2028'}`;

/** Longer than a loopback answer takes, and short enough for a test. */
const SHORT_LIMIT_MS = 1_500;

/** Long enough to send messages in, also on a busy machine. Messages that wait for a connection need several times as long. */
const QUEUE_LIMIT_MS = 3_000;

interface SeenRequest {
  readonly method?: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse) => void;

describe('HttpProvider', () => {
  let server: Server;
  let answer: Answer;
  let requests: SeenRequest[];
  let connections: number;

  const port = () => (server.address() as AddressInfo).port;

  beforeEach(async () => {
    answer = (response) => response.end('{"ok":true}');
    requests = [];
    connections = 0;
    server = createServer(serve);
    server.on('connection', () => {
      connections += 1;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    jest.mocked(dns.lookup).mockReset().mockImplementation(jest.requireActual('node:dns').lookup);
    await stop(server);
  });

  it('sends the message as JSON and returns a receipt that announces no reports', async () => {
    const receipt = await httpProvider().send(MESSAGE);

    expect(receipt).toEqual({ providerId: MESSAGE.reference, status: 'sent' });
    expect(requests).toEqual([
      expect.objectContaining({
        method: 'POST',
        url: '/send',
        body: '{"to": "+14155550123", "text": "739145 is your code"}',
      }),
    ]);
    expect(requests[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '53',
      authorization: 'Bearer kept-secret',
    });
  });

  it('carries the configured channels', () => {
    const { name, channels } = httpProvider({ channels: ['sms', 'call'] });

    expect({ name, channels }).toEqual({ name: 'http', channels: ['sms', 'call'] });
  });

  it('sends messages without a code only if its request has their text', () => {
    expect(httpProvider({ body: 'to={{to}}&text={{body}}' }).sendsText).toBe(true);
    expect(httpProvider({ body: 'to={{to}}&code={{code}}' }).sendsText).toBe(false);
    expect(new GuardedProvider(httpProvider({ body: 'to={{to}}&code={{code}}' })).sendsText).toBe(false);
  });

  it('fills every member of the message into the body template', async () => {
    const body = '{{to}}|{{body}}|{{code}}|{{channel}}|{{locale}}|{{reference}}|{{validForSeconds}}';

    await httpProvider({ body, headers: { 'content-type': 'text/plain' } }).send(MESSAGE);

    expect(requests[0]?.body).toBe('+14155550123|739145 is your code|739145|sms|pt-BR|a-reference_1|299');
  });

  describe('with special characters in the message', () => {
    const message = { ...MESSAGE, body: HOSTILE };

    it.each(['application/json', 'application/json; charset=utf-8', 'application/vnd.api+json', undefined])(
      'escapes the values in a JSON body (Content-Type %s)',
      async (type) => {
        const headers: Record<string, string> = type ? { 'Content-Type': type } : {};

        await httpProvider({ headers, body: '{"text": "{{body}}", "ttl": {{validForSeconds}}}' }).send(
          message,
        );

        expect(JSON.parse(requests[0]?.body ?? '')).toEqual({ text: HOSTILE, ttl: 299 });
        expect(requests[0]?.headers['content-type']).toBe(type ?? 'application/json');
      },
    );

    it('escapes the values in a form body', async () => {
      const headers = { 'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8' };

      await httpProvider({ headers, body: 'to={{to}}&text={{body}}' }).send(message);

      expect([...new URLSearchParams(requests[0]?.body)]).toEqual([
        ['to', MESSAGE.to],
        ['text', HOSTILE],
      ]);
    });

    it.each(['text/xml', 'application/xml', 'application/soap+xml; charset=utf-8'])(
      'escapes the values in an XML body (Content-Type %s)',
      async (type) => {
        await httpProvider({
          headers: { 'content-type': type },
          body: '<m to="{{to}}" text="{{body}}"/>',
        }).send(message);

        const [, value = ''] =
          /^<m to="\+14155550123" text="([^"<>\r\n\t]*)"\/>$/.exec(requests[0]?.body ?? '') ?? [];
        expect(value.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))).toBe(HOSTILE);
        expect(value.replace(/&#\d+;/g, '')).not.toContain('&');
      },
    );

    it.each(['text/plain', 'text/plain; charset=utf-8'])(
      'leaves the values unescaped in a %s body',
      async (type) => {
        await httpProvider({ headers: { 'content-type': type }, body: 'say: {{body}}' }).send(message);

        expect(requests[0]?.body).toBe(`say: ${HOSTILE}`);
      },
    );

    it('encodes the values in the path and the query of the URL', async () => {
      const url = `http://127.0.0.1:${port()}/to/{{to}}/{{body}}?text={{body}}&code={{code}}`;

      await httpProvider({ url, method: 'GET' }).send(message);

      const requested = new URL(requests[0]?.url ?? '', 'http://gateway');
      expect(requested.pathname).toBe(`/to/%2B14155550123/${encodeURIComponent(HOSTILE)}`);
      expect([...requested.searchParams]).toEqual([
        ['text', HOSTILE],
        ['code', MESSAGE.code],
      ]);
    });

    it('replaces half a surrogate pair in the URL', async () => {
      const url = `http://127.0.0.1:${port()}/?text={{body}}`;

      await httpProvider({ url }).send({ ...MESSAGE, body: 'half \ud83d' });

      expect(requests[0]?.url).toBe(`/?text=${encodeURIComponent('half \ufffd')}`);
    });
  });

  it('sends neither a body nor a Content-Type with GET', async () => {
    await httpProvider({ method: 'GET', headers: {} }).send(MESSAGE);

    expect(requests).toEqual([expect.objectContaining({ method: 'GET', body: '' })]);
    expect(requests[0]?.headers).not.toHaveProperty('content-type');
  });

  it('authenticates with the credentials in the URL', async () => {
    await httpProvider({ url: `http://us%40er:kept-secret@127.0.0.1:${port()}/`, headers: {} }).send(MESSAGE);

    expect(requests[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from('us@er:kept-secret').toString('base64')}`,
    );
  });

  it('reuses its connection for the next message', async () => {
    const http = httpProvider();

    for (let sent = 0; sent < 3; sent += 1) await http.send(MESSAGE);

    expect(connections).toBe(1);
  });

  it('sends messages on as many connections as it may open', async () => {
    const pending: ServerResponse[] = [];
    answer = (response) => pending.push(response);
    const http = httpProvider();

    const sends = Promise.allSettled(Array.from({ length: MAX_CONNECTIONS + 10 }, () => http.send(MESSAGE)));
    await waitFor('the requests', () => pending.length === MAX_CONNECTIONS);

    expect(connections).toBe(MAX_CONNECTIONS);
    answer = (response) => response.end();
    for (const response of pending) response.end();
    expect((await sends).filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_CONNECTIONS + 10);
    expect(connections).toBe(MAX_CONNECTIONS);
  });

  describe.each<[when: string, answer: Answer]>([
    ['never comes', () => {}],
    ['comes one byte at a time', writeBytewise],
    [
      'comes after the time limit',
      (response) => setTimeout(() => response.end(), SHORT_LIMIT_MS * 20).unref(),
    ],
  ])('when the answer %s', (_, late) => {
    it('stops waiting at the time limit and reports the outcome as unknown', async () => {
      answer = late;
      const startedAt = performance.now();

      const error = await failureOf(httpProvider({}, SHORT_LIMIT_MS).send(MESSAGE));

      expect(error).toEqual(new SendOutcomeUnknown('timeout'));
      expect(performance.now() - startedAt).toBeLessThan(SHORT_LIMIT_MS * 6);
      expect(requests).toHaveLength(1);
      expectNoSecretsIn(error);
    });
  });

  it('counts a wait for a free connection against the time limit, and defers a message that was not sent', async () => {
    answer = () => {};
    const http = httpProvider({}, QUEUE_LIMIT_MS);
    const startedAt = performance.now();

    const errors = await Promise.all(Array.from({ length: 300 }, () => failureOf(http.send(MESSAGE))));

    expect(performance.now() - startedAt).toBeLessThan(QUEUE_LIMIT_MS * 3);
    expect(new Set(errors.map(({ message }) => message))).toEqual(
      new Set([new SendOutcomeUnknown('timeout').message, new SendDeferred('timeout').message]),
    );
    const unknown = errors.filter((error) => error instanceof SendOutcomeUnknown);
    expect(unknown.length).toBeGreaterThanOrEqual(requests.length);
  });

  it('defers messages that wait for a connection when none is established in time', async () => {
    resolveNames(() => {});
    const http = httpProvider({ url: 'http://sms.example.com/' }, QUEUE_LIMIT_MS);
    const startedAt = performance.now();

    const errors = await Promise.all(Array.from({ length: 300 }, () => failureOf(http.send(MESSAGE))));

    expect(performance.now() - startedAt).toBeLessThan(QUEUE_LIMIT_MS * 3);
    const deferred = new SendDeferred('timeout').message;
    expect(new Set(errors.map(({ message }) => message))).toEqual(new Set([deferred]));
  });

  it.each<[when: string, reason: string, answer: Answer]>([
    ['the answer is cut off', 'ECONNRESET', cutOff],
    ['the connection is reset', 'ECONNRESET', (response) => response.socket?.resetAndDestroy()],
    ['the connection is closed', 'ECONNRESET', (response) => response.socket?.destroy()],
    [
      'the answer is not HTTP',
      'HPE_INVALID_CONSTANT',
      (response) => response.socket?.end('739145 is not HTTP\r\n\r\n'),
    ],
  ])('reports the outcome as unknown, without a retry, when %s', async (_, reason, broken) => {
    answer = broken;

    const error = await failureOf(httpProvider().send(MESSAGE));

    expect(error).toEqual(new SendOutcomeUnknown(reason));
    expect(requests).toHaveLength(1);
    expectNoSecretsIn(error);
  });

  it('reports the outcome as unknown when a reused connection is reset', async () => {
    const http = httpProvider();
    await http.send(MESSAGE);
    answer = (response) => response.socket?.resetAndDestroy();

    const error = await failureOf(http.send(MESSAGE));

    expect(error).toEqual(new SendOutcomeUnknown('ECONNRESET'));
    expect(connections).toBe(1);
  });

  it('reads at most 64 KiB of an answer and closes the connection', async () => {
    let isClosed = false;
    answer = (response) => {
      response.on('close', () => {
        isClosed = true;
      });
      response.write(`"ok"${'-'.repeat(65_536 - 4)}"late"`);
    };

    await httpProvider({ success: '^"ok"' }).send(MESSAGE);
    const error = await failureOf(httpProvider({ success: 'late' }).send(MESSAGE));

    expect(error).toBeInstanceOf(SendRefused);
    await waitFor('the end of the connection', () => isClosed);
  });

  it.each<[status: number, retryAfter: string | undefined, error: Error]>([
    [301, undefined, refused('http_301')],
    [302, undefined, refused('http_302')],
    [307, undefined, refused('http_307')],
    [308, undefined, refused('http_308')],
    [400, undefined, refused('http_400')],
    [401, undefined, outage('http_401')],
    [403, undefined, account('http_403')],
    [404, undefined, refused('http_404')],
    [422, undefined, refused('http_422')],
    [408, undefined, new SendDeferred('http_408')],
    [429, undefined, new SendDeferred('http_429', undefined, 'throttled')],
    [429, '7', new SendDeferred('http_429', 7_000, 'throttled')],
    [429, 'soon', new SendDeferred('http_429', undefined, 'throttled')],
    [500, undefined, new SendDeferred('http_500')],
    [502, undefined, new SendDeferred('http_502')],
    [503, '2', new SendDeferred('http_503', 2_000)],
  ])(
    'does not retry an answer of HTTP %d with Retry-After %p, and throws %p',
    async (status, retryAfter, expected) => {
      const headers = { Location: '/elsewhere', ...(retryAfter && { 'Retry-After': retryAfter }) };
      answer = (response) => response.writeHead(status, headers).end(`no ${MESSAGE.code} to ${MESSAGE.to}`);

      const error = await failureOf(httpProvider({ success: '^no' }).send(MESSAGE));

      expect(error).toEqual(expected);
      expect({ ...error }).toEqual({ ...expected });
      expect(error.constructor).toBe(expected.constructor);
      expect(requests).toHaveLength(1);
      expectNoSecretsIn(error);
    },
  );

  it('reads a Retry-After date', async () => {
    const date = new Date(Date.now() + 30_000).toUTCString();
    answer = (response) => response.writeHead(503, { 'Retry-After': date }).end();

    const error = (await failureOf(httpProvider().send(MESSAGE))) as SendDeferred;

    expect(error.retryAfterMs).toBeGreaterThan(25_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it.each<[success: string | null, status: number, text: string, isAccepted: boolean]>([
    [null, 200, 'ERROR', true],
    [null, 202, '', true],
    [null, 204, '', true],
    ['^OK\\b', 200, 'OK 4711', true],
    ['^OK\\b', 200, 'ERROR 12: no credit', false],
    ['"status":\\s*"sent"', 201, '{"status": "sent"}', true],
    ['"status":\\s*"sent"', 201, '{"status": "failed"}', false],
    ['.', 204, '', false],
    ['gesendet: ✓', 200, 'gesendet: ✓', true],
  ])(
    'applies the success pattern %p to HTTP %d with the body %p; accepted: %p',
    async (success, status, body, isAccepted) => {
      answer = (response) => response.writeHead(status).end(body);

      const send = httpProvider({ success }).send(MESSAGE);

      if (isAccepted) await expect(send).resolves.toMatchObject({ status: 'sent' });
      else expect({ ...(await failureOf(send)) }).toEqual({ ...refused('no_success') });
    },
  );

  it('defers a message when the connection is refused, and sends it on the next call', async () => {
    const http = httpProvider();
    const address = port();
    await stop(server);

    const error = await failureOf(http.send(MESSAGE));

    expect({ ...error }).toEqual({ ...new SendDeferred('ECONNREFUSED') });
    expectNoSecretsIn(error);
    server.listen(address, '127.0.0.1');
    await once(server, 'listening');
    await http.send(MESSAGE);
    expect(requests).toHaveLength(1);
  });

  it.each(['ENOTFOUND', 'EAI_AGAIN'])(
    'defers a message when the host name is not resolved (%s)',
    async (code) => {
      resolveNames((callback) =>
        callback(Object.assign(new Error(`getaddrinfo ${code} sms.invalid`), { code })),
      );

      const error = await failureOf(httpProvider({ url: 'http://sms.invalid/kept-secret' }).send(MESSAGE));

      expect({ ...error }).toEqual({ ...new SendDeferred(code) });
      expectNoSecretsIn(error);
    },
  );

  it('sends nothing to a server with an untrusted certificate', async () => {
    const secure = createSecureServer(selfSigned(), serve).listen(0, '127.0.0.1');
    await once(secure, 'listening');

    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}/`;
    const error = await failureOf(httpProvider({ url }).send(MESSAGE));
    await stop(secure);

    expect({ ...error }).toEqual({ ...new SendDeferred('DEPTH_ZERO_SELF_SIGNED_CERT') });
    expect(requests).toHaveLength(0);
    expectNoSecretsIn(error);
  });

  describe('without permission for private addresses', () => {
    it.each([
      '127.0.0.1',
      '127.1',
      '0x7f.1',
      '0x7f000001',
      '2130706433',
      '017700000001',
      '0',
      '0.0.0.0',
      '127.0.0.1.',
      'localhost',
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[64:ff9b::127.0.0.1]',
      '[2002:7f00:1::]',
    ])('refuses to connect to http://%s', async (host) => {
      const url = `http://${host}:${port()}/`;

      const error = await failureOf(httpProvider({ url, allowPrivate: false }).send(MESSAGE));

      expectForbidden(error);
    });

    it.each([
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      '100.100.100.200',
      '168.63.129.16',
      '169.254.169.254',
      '192.0.0.192',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      'fc00::1',
      'fd00:ec2::254',
      'fe80::1',
      'fec0::1',
      'ff02::1',
      '::ffff:169.254.169.254',
    ])('refuses to connect to %s, by address or by name', async (address) => {
      const family = address.includes(':') ? 6 : 4;
      const host = family === 6 ? `[${address}]` : address;
      expectForbidden(
        await failureOf(httpProvider({ url: `http://${host}/`, allowPrivate: false }).send(MESSAGE)),
      );

      resolveNames((callback) =>
        callback(null, [
          { address: '203.0.114.1', family: 4 },
          { address, family },
        ]),
      );
      for (const protocol of ['http', 'https']) {
        const url = `${protocol}://sms.example.com/`;
        expectForbidden(await failureOf(httpProvider({ url, allowPrivate: false }).send(MESSAGE)));
      }
    });

    it('checks the resolved address for every connection', async () => {
      const http = httpProvider({ url: `http://sms.example.com:${port()}/`, allowPrivate: false });
      resolveNames((callback) => callback(Object.assign(new Error(), { code: 'ENOTFOUND' })));
      expect({ ...(await failureOf(http.send(MESSAGE))) }).toEqual({ ...new SendDeferred('ENOTFOUND') });

      resolveNames((callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]));

      expectForbidden(await failureOf(http.send(MESSAGE)));
    });

    function expectForbidden(error: Error): void {
      expect({ ...error }).toEqual({
        failure: {
          code: 'private_address',
          reason: 'provider',
          recovery: 'another_provider',
          means: 'account',
        },
      });
      expect(connections).toBe(0);
      expectNoSecretsIn(error);
    }
  });

  it('does not expose its credentials to inspect()', async () => {
    const http = httpProvider({ url: `http://user:kept-secret@127.0.0.1:${port()}/?key=kept-secret` });
    await http.send(MESSAGE);

    expectNoSecretsIn(http);
  });

  function serve(request: IncomingMessage, response: ServerResponse): void {
    text(request)
      .then((body) => {
        const { method, url = '', headers } = request;
        requests.push({ method, url, headers, body });
        answer(response);
      })
      .catch(() => response.destroy());
  }

  function httpProvider(overrides: Partial<HttpProviderConfig> = {}, limitMs?: number): HttpProvider {
    const config: HttpProviderConfig = {
      url: `http://127.0.0.1:${port()}/send`,
      method: 'POST',
      headers: { Authorization: 'Bearer kept-secret' },
      body: '{"to": "{{to}}", "text": "{{body}}"}',
      success: null,
      channels: ['sms'],
      allowPrivate: true,
      ...overrides,
    };
    return new HttpProvider(config, limitMs);
  }
});

function refused(code: string): SendRefused {
  return new SendRefused({ code, reason: 'provider', recovery: 'another_route' });
}

function account(code: string): SendRefused {
  return new SendRefused({ code, reason: 'provider', recovery: 'another_route', means: 'account' });
}

function outage(code: string): SendRefused {
  return new SendRefused({ code, reason: 'provider', recovery: 'another_provider', means: 'outage' });
}

function writeBytewise(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 10);
  response.on('close', () => clearInterval(timer));
}

function cutOff(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': 100 });
  response.write('half', () => response.destroy());
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-tls-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...subject, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  });
  const pair = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
  rmSync(folder, { recursive: true });
  return pair;
}

type LookupCallback = (error: Error | null, addresses?: { address: string; family: number }[]) => void;

function resolveNames(resolve: (callback: LookupCallback) => void): void {
  const lookup = (_name: string, _options: unknown, callback: LookupCallback) => resolve(callback);
  jest.mocked(dns.lookup).mockImplementation(lookup as never);
}

function expectNoSecretsIn(value: unknown): void {
  const exposed = [
    inspect(value, { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    JSON.stringify(value),
    String((value as Error).stack),
  ].join('\n');
  const secrets = ['kept-secret', 'Bearer', 'Basic ', MESSAGE.code, MESSAGE.body, MESSAGE.to.slice(1)];
  expect(secrets.filter((secret) => exposed.includes(secret))).toEqual([]);
}
