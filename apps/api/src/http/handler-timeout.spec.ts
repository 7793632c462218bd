import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify as createFastify, type FastifyInstance } from 'fastify';
import { HandlerTimeout } from './handler-timeout.js';
import { ProblemFilter } from './problem.filter.js';

const LIMIT_MS = 200;

describe('HandlerTimeout', () => {
  let server: FastifyInstance;
  let url: string;
  /** Ends the handlers that hang. */
  let release: () => void;

  beforeEach(async () => {
    server = createFastify();
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    new HandlerTimeout(new ProblemFilter('https://auth.example.com'), LIMIT_MS, 20).register(server);
    server.get('/hangs', async () => {
      await released;
      return { late: true };
    });
    server.get('/answers', async () => ({ late: false }));
    await server.listen({ port: 0, host: '127.0.0.1' });
    url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    release();
    await server.close();
  });

  it('answers 503 for a handler that hangs, and no earlier than its limit', async () => {
    const start = performance.now();
    const response = await fetch(`${url}/hangs`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toMatchObject({ code: 'unavailable', status: 503 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(LIMIT_MS);
  });

  it('ignores what the handler returns after its limit', async () => {
    const response = await fetch(`${url}/hangs`);
    release();
    expect(await response.json()).toMatchObject({ code: 'unavailable' });
    expect(await (await fetch(`${url}/answers`)).json()).toEqual({ late: false });
  });

  it('leaves requests alone that are answered in time', async () => {
    const hanging = fetch(`${url}/hangs`);
    expect((await fetch(`${url}/answers`)).status).toBe(200);
    release();
    expect((await hanging).status).toBe(200);
  });

  it('survives a client that has gone', async () => {
    const gone = httpRequest(`${url}/hangs`).on('error', () => {});
    const arrived = once(server.server, 'request');
    gone.end();
    const [, response] = await arrived;
    gone.destroy();
    await once(response, 'close');
    expect((await fetch(`${url}/hangs`)).status).toBe(503);
    expect((await fetch(`${url}/answers`)).status).toBe(200);
  });
});
