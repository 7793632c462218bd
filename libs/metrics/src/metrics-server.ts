import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';

export interface MetricsServer {
  readonly url: string;
  close(): void;
}

/**
 * Serves metrics at `/metrics`, and the liveness of this process at `/health/live`, on a port of their own. The port has
 * a queue of new connections of its own, so a probe does not wait behind a burst of clients. Returns null without a port.
 */
export async function serveMetrics(
  read: () => Promise<string>,
  { metricsPort, host }: { readonly metricsPort: number | null; readonly host: string },
): Promise<MetricsServer | null> {
  if (metricsPort === null) return null;
  const server = createServer((request, response) => void answer(request, response, read));
  server.listen(metricsPort, host);
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`, close };
}

async function answer(
  { url }: IncomingMessage,
  response: ServerResponse,
  read: () => Promise<string>,
): Promise<void> {
  if (url === '/metrics') {
    const text = await read().catch(() => null); // a process that ended meanwhile does not answer
    if (text === null) response.writeHead(503).end();
    else response.writeHead(200, { 'Content-Type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text);
  } else if (url === '/health/live')
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"status":"ok"}');
  else response.writeHead(404).end();
}
