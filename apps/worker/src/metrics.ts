import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { abuseMetrics } from '#auth';
import { messagingMetrics } from '#messaging';

/** What a worker knows of its messages, for whoever scrapes it: the API's `GET /metrics` tells of the API's own. */
export async function serveMetrics(port: number, host: string): Promise<{ url: string; close(): void }> {
  const own = new Registry();
  collectDefaultMetrics({ register: own });
  const registry = Registry.merge([own, messagingMetrics, abuseMetrics]);
  const server = createServer(async ({ url }, response) => {
    if (url !== '/metrics') return response.writeHead(404).end();
    return response.writeHead(200, { 'Content-Type': registry.contentType }).end(await registry.metrics());
  });
  server.listen(port, host);
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`, close };
}
