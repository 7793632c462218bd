import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface MetricsServer {
  readonly url: string;
  close(): void;
}

/**
 * Serves the metrics of this process at `/metrics`, and its liveness at `/health/live`, on a port of their own. The port has
 * a queue of new connections of its own, so a probe does not wait behind a burst of clients. Returns null without a port.
 */
export async function serveMetrics(
  registry: Registry,
  { metricsPort, host }: { readonly metricsPort: number | null; readonly host: string },
): Promise<MetricsServer | null> {
  if (metricsPort === null) return null;
  const server = createServer((request, response) => void answer(request, response, registry));
  server.listen(metricsPort, host);
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`, close };
}

async function answer({ url }: IncomingMessage, response: ServerResponse, registry: Registry): Promise<void> {
  if (url === '/metrics')
    response.writeHead(200, { 'Content-Type': registry.contentType }).end(await registry.metrics());
  else if (url === '/health/live')
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"status":"ok"}');
  else response.writeHead(404).end();
}
