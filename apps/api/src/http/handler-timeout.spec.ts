import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify as createFastify, type FastifyInstance } from 'fastify';
import { prepareFastify } from './server.js';

const LIMIT_MS = 30_000;
const CHECK_EVERY_MS = 1_000;

const CONFIG = {
  trustedProxies: [],
  allowedOrigins: { patterns: [], credentials: false },
  publicUrl: 'https://auth.example.com',
};

describe('HandlerTimeout', () => {
  let server: FastifyInstance;
  let url: string;
  /** Ends the handlers that hang. */
  let release: () => void;
  /** Resolves when a handler has begun to hang. */
  let begun: Promise<void>;

  beforeEach(async () => {
    jest.useFakeTimers({
      doNotFake: [
        'nextTick',
        'setImmediate',
        'clearImmediate',
        'setTimeout',
        'clearTimeout',
        'queueMicrotask',
      ],
    });
    server = createFastify();
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    prepareFastify(server, CONFIG);
    begun = new Promise((resolve) => {
      server.get('/hangs', async () => {
        resolve();
        await released;
        return { late: true };
      });
    });
    server.get('/answers', async () => ({ late: false }));
    await server.listen({ port: 0, host: '127.0.0.1' });
    url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    release();
    await server.close();
    jest.useRealTimers();
  });

  it('answers 503 for a handler that hangs, and not before its limit', async () => {
    let answered = false;
    const hanging = fetch(`${url}/hangs`).finally(() => {
      answered = true;
    });
    await begun;
    jest.advanceTimersByTime(LIMIT_MS - 1);
    expect(await (await fetch(`${url}/answers`)).json()).toEqual({ late: false });
    expect(answered).toBe(false);

    jest.advanceTimersByTime(CHECK_EVERY_MS + 1);
    const response = await hanging;
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toMatchObject({ code: 'unavailable', status: 503 });
  });

  it('answers 503 for a handler that hangs after another answer on the same connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = async (path: string) => {
      const [response] = await once(httpRequest(url + path, { agent }).end(), 'response');
      response.resume();
      await once(response, 'end');
      return response.statusCode;
    };
    expect(await get('/answers')).toBe(200);
    const hanging = get('/hangs');
    await begun;
    jest.advanceTimersByTime(LIMIT_MS + CHECK_EVERY_MS);
    expect(await hanging).toBe(503);
    jest.advanceTimersByTime(LIMIT_MS + CHECK_EVERY_MS);
    expect(await get('/answers')).toBe(200);
    agent.destroy();
  });

  it('ignores what the handler returns after its limit', async () => {
    const hanging = fetch(`${url}/hangs`);
    await begun;
    jest.advanceTimersByTime(LIMIT_MS + CHECK_EVERY_MS);
    const response = await hanging;
    release();
    expect(await response.json()).toMatchObject({ code: 'unavailable' });
    expect(await (await fetch(`${url}/answers`)).json()).toEqual({ late: false });
  });

  it('survives a client that has gone', async () => {
    const gone = httpRequest(`${url}/hangs`).on('error', () => {});
    const arrived = once(server.server, 'request');
    gone.end();
    const [, response] = await arrived;
    await begun;
    gone.destroy();
    await once(response, 'close');
    jest.advanceTimersByTime(LIMIT_MS + CHECK_EVERY_MS);
    // Nothing answers a request of a connection that is closed.
    expect(response.headersSent).toBe(false);
    expect((await fetch(`${url}/answers`)).status).toBe(200);
  });
});
