import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { busyness } from '../support/busyness.js';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { resourcesOf, silentClients } from '../support/hostile-client.js';
import { times } from '../support/repeat.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET } from '../support/settings.js';
import { printNumbers } from '../support/statistics.js';
import { findProgram } from '../support/system-programs.js';
import { waitFor } from '../support/wait.js';

const slowHttpTest = findProgram(['slowhttptest'], 'slow HTTP attacks');
const run = promisify(execFile);

/** Connections that the server opens to its database during the test, and those of the test itself. */
const OWN_DESCRIPTORS = 25;

/** A client with a new connection for each request, as a new visitor has. */
class NormalClient {
  private readonly times: number[] = [];
  private readonly failures: unknown[] = [];
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly url: string,
    private readonly path = '/problems',
  ) {
    this.timer = setInterval(() => this.ask(), 50);
  }

  /** Returns the number of requests, the failures, and the 99th percentile of the response times. */
  stop(): { requests: number; failures: unknown[]; p99Ms: number } {
    clearInterval(this.timer);
    const sorted = this.times.sort((a, b) => a - b);
    const p99Ms = sorted[Math.floor(sorted.length * 0.99)] as number;
    return { requests: sorted.length + this.failures.length, failures: this.failures, p99Ms };
  }

  private ask(): void {
    const start = performance.now();
    get(`${this.url}${this.path}`, { agent: false }, (response) => {
      response.resume().once('end', () => {
        if (response.statusCode === 200) this.times.push(performance.now() - start);
        else this.failures.push(response.statusCode);
      });
    }).on('error', (error) => this.failures.push(error));
  }
}

/** Asks for the liveness from this address, on a new connection. */
function statusFor(localAddress: string, { client }: ServerProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(`${client.url}/health/live`, { agent: false, localAddress }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });
}

const pipelined = (path: string, bytes: number) => {
  const request = `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  return request.repeat(Math.ceil(bytes / request.length));
};

describe('A server with hostile clients', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  /** Has room for 20 connections. */
  let small: ServerProcess;
  let descriptorsOfSmall: number;

  beforeAll(async () => {
    database = await freshDatabase();
    server = await ServerProcess.api({ DATABASE_URL: database.url, SECRET, METRICS_PORT: '0' });
    small = await ServerProcess.api({
      ...{ DATABASE_URL: database.url, SECRET, TRUSTED_PROXIES: '127.0.0.5' },
      ...{ MAX_CONNECTIONS: '20', MAX_CONNECTIONS_PER_ADDRESS: '10' },
    });
    await small.client.get('/health/live');
    descriptorsOfSmall = resourcesOf(small).descriptors;
    // Loads and compresses what is served from memory.
    for (const path of ['/openapi.json', '/docs/swagger-ui-bundle.js', '/metrics'])
      await server.client.get(path);
  });
  afterAll(async () => {
    await server?.end();
    await small?.end();
    await database.drop();
  });

  it.each([
    ['/docs/swagger-ui-bundle.js', 50, 256 * 1_024],
    ['/openapi.json', 20, 1_024 * 1_024],
    ['/metrics', 50, 1_024 * 1_024],
  ])(
    'holds one answer for each connection that pipelines %s and reads nothing',
    async (path, count, bytes) => {
      const before = resourcesOf(server);
      const sockets = silentClients(server, count, pipelined(path, bytes / count));
      // The server has the requests when the last of these connections is answered.
      await Promise.all(sockets.map((socket) => once(socket, 'connect')));
      for (const { status } of await Promise.all(times(5, () => server.client.get('/health/live'))))
        expect(status).toBe(200);
      const during = resourcesOf(server);
      expect(during.descriptors).toBeLessThanOrEqual(before.descriptors + count + OWN_DESCRIPTORS);
      expect(during.megabytes).toBeLessThan(before.megabytes + 50);
      for (const socket of sockets) socket.destroy();
      await waitFor(
        'the descriptors',
        () => resourcesOf(server).descriptors <= before.descriptors + OWN_DESCRIPTORS,
      );
    },
  );

  it('answers all requests of a client that pipelines thousands and reads', async () => {
    const [socket] = silentClients(server, 1, pipelined('/health/live', 64 * 1_024)) as [Socket];
    const expected = pipelined('/health/live', 64 * 1_024).split('GET').length - 1;
    let answers = 0;
    socket.on('data', (chunk) => {
      answers += String(chunk).split('HTTP/1.1 200').length - 1;
    });
    socket.resume();
    // A status line may be split between two chunks.
    await waitFor('the answers', () => answers >= expected * 0.98);
    socket.destroy();
  });

  it('shows on the metrics port that it lives while 2,000 clients connect at once', async () => {
    const [, metricsUrl = ''] = /"metrics":"([^"]+)"/.exec(server.output) ?? [];
    const supervisor = new NormalClient(new URL(metricsUrl).origin, '/health/live');
    const asked = `GET /v1/verifications/${'0'.repeat(43)}?wait=20 HTTP/1.1\r\nHost: a\r\n\r\n`;
    const sockets = silentClients(server, 2_000, asked);
    // Of connections beyond the limit of an address the server closes some without an answer.
    await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => {})));
    await waitFor('the end of the burst', async () => (await server.client.get('/problems')).status === 200);
    const { requests, failures, p99Ms } = supervisor.stop();
    expect([failures, requests]).toEqual([[], expect.any(Number)]);
    printNumbers('liveness during a burst of 2,000 connections', { requests, p99Ms });
    expect(p99Ms).toBeLessThanOrEqual(500 * busyness());
    for (const socket of sockets) socket.destroy();
  });

  it.each([
    [
      'half bodies of two clients',
      ['127.0.0.2', '127.0.0.3'],
      'POST /signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{',
    ],
    ['idle connections of a trusted proxy', ['127.0.0.5'], 'GET /problems HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('has room for a new client when %s fill it', async (_, addresses, bytes) => {
    const sockets = addresses.flatMap((address) =>
      silentClients(small, 20 / addresses.length, bytes, address),
    );
    await waitFor('the connections', () => resourcesOf(small).descriptors >= descriptorsOfSmall + 15);
    if (addresses.length === 1) for (const socket of sockets) await once(socket.resume(), 'data');
    expect(await statusFor('127.0.0.4', small)).toBe(200);
    for (const socket of sockets) socket.destroy();
    await waitFor('the descriptors', () => resourcesOf(small).descriptors < descriptorsOfSmall + 15);
  });

  it('forgets clients that read or send nothing within 30 seconds, and serves others meanwhile', async () => {
    const busyBefore = busyness();
    const before = resourcesOf(server);
    const normal = new NormalClient(server.client.url);
    const silent = [
      silentClients(server, 40, pipelined('/docs/swagger-ui-bundle.js', 4_096)),
      silentClients(server, 40, ''),
      silentClients(server, 40, 'GET /health/live HTTP/1.1\r\nHost: a\r\nX-'),
      silentClients(
        server,
        40,
        'POST /signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"phone_',
      ),
    ].flat();
    const drip = setInterval(() => {
      for (const socket of silent.slice(80)) socket.write('a');
    }, 1_000);
    await attackSlowly(server.client.url);
    // The normal client has a few connections of its own.
    await waitFor(
      'the descriptors',
      () => resourcesOf(server).descriptors <= before.descriptors + OWN_DESCRIPTORS,
      32_000,
    );
    clearInterval(drip);
    expect(resourcesOf(server).megabytes).toBeLessThan(before.megabytes + 50);
    const { requests, failures, p99Ms } = normal.stop();
    if (failures.length > requests / 100) expect(failures).toEqual([]);
    expect(p99Ms).toBeLessThanOrEqual(1_000 * Math.max(busyBefore, busyness()));
    for (const socket of silent) socket.destroy();
  });
});

/** Slow headers, slow bodies and slow reading, all at once. */
async function attackSlowly(url: string): Promise<void> {
  if (!slowHttpTest) return;
  const common = ['-c', '150', '-r', '75', '-l', '10', '-p', '5', '-i', '2'];
  await Promise.all(
    [
      ['-H', '-u', `${url}/health/live`],
      ['-B', '-u', `${url}/signup`, '-s', '8192', '-f', 'application/json'],
      ['-X', '-u', `${url}/docs/swagger-ui-bundle.js`, '-w', '1', '-y', '64', '-n', '2', '-z', '32'],
    ].map((mode) => run(slowHttpTest, [...mode, ...common])),
  );
}
