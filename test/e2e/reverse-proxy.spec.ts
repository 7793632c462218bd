import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { Nginx } from '../support/nginx.js';
import { findProgram } from '../support/system-programs.js';
import { openVerification } from '../support/verifications.js';

const program = findProgram(['nginx'], 'nginx in front of another service');

describe('GET /v1/session/verify', () => {
  let api: RunningApi;
  let session: Answer['body'];

  beforeAll(async () => {
    api = await startApi(POSTGRES_ALONE, { SESSION_COOKIE: 'on' });
    const { path, code } = await openVerification(api);
    session = (await api.client.post(`${path}/check`, { code })).body;
  });
  afterAll(() => api.stop());

  it('names the user and the session of a token, but not the number', async () => {
    const { status, headers, body } = await api.client.as(session.token).get('/v1/session/verify');
    expect([status, body]).toEqual([204, '']);
    expect(headers.get('x-user-id')).toBe(session.user.id);
    expect(headers.get('x-session-id')).toBe(session.session_id);
    expect(headers.get('x-user-phone')).toBeNull();
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('refuses a request without a valid token', async () => {
    const { status, headers } = await api.client.get('/v1/session/verify', { 'x-user-id': session.user.id });
    expect([status, headers.get('x-user-id')]).toEqual([401, null]);
    expect((await api.client.as('A'.repeat(26)).get('/v1/session/verify')).status).toBe(401);
  });

  it('names the number with FORWARD_PHONE=on', async () => {
    const forwarding = await startApi(POSTGRES_ALONE, { FORWARD_PHONE: 'on' });
    const { path, code, phone_number } = await openVerification(forwarding);
    const { token } = (await forwarding.client.post(`${path}/check`, { code })).body;
    const { headers } = await forwarding.client.as(token).get('/v1/session/verify');
    await forwarding.stop();
    expect(headers.get('x-user-phone')).toBe(phone_number);
  });

  (program ? it : it.skip)(
    'protects a service behind nginx, as docs/reverse-proxies.md configures it',
    async () => {
      const seen: IncomingHttpHeaders[] = [];
      const service = createServer((request, response) => {
        seen.push(request.headers);
        response.end('the service');
      }).listen(0, '127.0.0.1');
      await once(service, 'listening');
      const { port } = service.address() as AddressInfo;
      const nginx = await Nginx.start(program as string, (address) => documentedServer(address, port));
      const { client } = nginx;
      try {
        expect([(await client.get('/')).status, seen.length]).toEqual([401, 0]);
        const forged = { 'x-user-id': 'forged', 'x-session-id': 'forged', 'x-user-phone': '+1999' };
        const byToken = await client.as(session.token).get('/page', forged);
        const byCookie = await client.get('/page', { cookie: `latchkey_session=${session.token}` });
        expect([byToken, byCookie].map(({ status, body }) => [status, body])).toEqual([
          [200, 'the service'],
          [200, 'the service'],
        ]);
        const named = { 'x-user-id': session.user.id, 'x-session-id': session.session_id };
        expect(seen).toEqual([expect.objectContaining(named), expect.objectContaining(named)]);
        for (const headers of seen) {
          expect(headers).not.toHaveProperty('x-user-phone');
          expect(headers).not.toHaveProperty('authorization');
        }
        await api.client.as(session.token).delete('/v1/session');
        expect((await client.as(session.token).get('/page')).status).toBe(401);
        expect(seen).toHaveLength(2);
      } finally {
        await nginx.stop();
        service.close();
        service.closeAllConnections();
      }
    },
  );

  /** The documented server, with the ports of this spec. */
  function documentedServer(address: string, servicePort: number): string {
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/reverse-proxies.md'), 'utf8');
    const [, documented = ''] = /```nginx\n([\s\S]+?)```/.exec(page) ?? [];
    return documented
      .replace('listen 80', `listen ${address}`)
      .replace('127.0.0.1:8080', `127.0.0.1:${servicePort}`)
      .replace('http://127.0.0.1:4000', api.client.url);
  }
});
