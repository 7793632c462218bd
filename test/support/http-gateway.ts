import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** An HTTP provider that accepts every message. */
export class HttpGateway {
  readonly received: { readonly to: string; readonly at: number }[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<HttpGateway> {
    const server = createServer(async (request, response) => {
      const { to } = (await json(request)) as { to: string };
      gateway.received.push({ to, at: Date.now() });
      response.end('{}');
    });
    const gateway = new HttpGateway(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gateway;
  }

  get variables(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return { HTTP_SENDER_URL: `http://127.0.0.1:${port}/send`, HTTP_SENDER_ALLOW_PRIVATE: 'on' };
  }

  get numbers(): string[] {
    return this.received.map(({ to }) => to).sort();
  }

  receivedAt(number: string): number {
    return this.received.find(({ to }) => to === number)?.at ?? Number.NaN;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
