import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface MetricsServer {
  readonly url: string;
  close(): void;
}

/** Serves the metrics of this process at `/metrics`, on a port of their own. Returns null without a port. */
export async function serveMetrics(
  registry: Registry,
  { metricsPort, host }: { readonly metricsPort: number | null; readonly host: string },
): Promise<MetricsServer | null> {
  if (metricsPort === null) return null;
  const server = createServer(async ({ url }, response) => {
    if (url !== '/metrics') return response.writeHead(404).end();
    return response.writeHead(200, { 'Content-Type': registry.contentType }).end(await registry.metrics());
  });
  server.listen(metricsPort, host);
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`, close };
}
