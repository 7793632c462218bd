import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  request as open,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

const BUNDLES = resolve(import.meta.dirname, '../../clients/typescript/dist/browser');

/** An answer that a page got. */
export interface Passed {
  /** Method and path, without the query. */
  readonly request: string;
  readonly status: number;
}

/** The origin of an app: its page at `/`, the bundles of the client at `/client/`, and an API behind all other paths. */
export class Site {
  readonly passed: Passed[] = [];
  /** Delays a request on its way to the API. */
  gate: (request: string) => Promise<unknown> = async () => {};

  private constructor(
    private readonly page: string,
    private readonly api: string,
    private readonly server: Server,
  ) {
    server.on('request', (request, response) => {
      this.answer(request, response).catch(() => response.destroy());
    });
  }

  static async open(page: string, api: string): Promise<Site> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Site(page, api, server);
  }

  /** Browsers trust `localhost`, as they trust HTTPS. */
  get url(): string {
    return `http://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  /** Returns the statuses of the answers to a request, such as `GET /v1/me`. */
  statusesOf(request: string): number[] {
    return this.passed.filter((each) => each.request === request).map(({ status }) => status);
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '/'] = (request.url ?? '/').split('?', 1);
    if (path === '/') return send(response, 'text/html', this.page);
    if (path.startsWith('/client/')) {
      const file = await readFile(join(BUNDLES, path.slice('/client/'.length)));
      return send(response, 'text/javascript', file);
    }
    await this.forward(`${request.method} ${path}`, request, response);
  }

  private async forward(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.gate(name);
    const { method, headers } = request;
    // A connection of its own: the API may close a kept one at the moment of the next request.
    const forwarded = open(new URL(request.url as string, this.api), { method, headers, agent: false });
    const [[answer]] = await Promise.all([
      once(forwarded, 'response') as Promise<[IncomingMessage]>,
      pipeline(request, forwarded),
    ]);
    const status = answer.statusCode as number;
    this.passed.push({ request: name, status });
    response.writeHead(status, answer.headers);
    await pipeline(answer, response);
  }
}

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(body);
}
