import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** Half of the cost of `fetch`, which matters to specs with thousands of requests. */
const agent = new Agent({ keepAlive: true });

/** An HTTP response with its body read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Any JSON: each spec asserts the members that it reads. */
  readonly body: ReturnType<typeof JSON.parse>;
}

/** A plain HTTP client. */
export class Client {
  constructor(
    readonly url: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  as(token: string): Client {
    return new Client(this.url, { ...this.headers, authorization: `Bearer ${token}` });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', path, undefined, headers);
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  }

  delete(path: string): Promise<Answer> {
    return this.send('DELETE', path);
  }

  /** Sends any body, well-formed or not. */
  async send(
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const sent = request(this.url + path, { method, agent, headers: { ...this.headers, ...headers } });
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    // A server that refuses a body may reset the connection after its answer.
    sent.on('error', () => {});
    sent.end(body);
    const [response] = await answered;
    const read = await text(response);
    const isJson = response.headers['content-type']?.includes('json') && read !== '';
    return {
      status: response.statusCode as number,
      headers: headersOf(response),
      body: isJson ? JSON.parse(read) : read,
    };
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return headers;
}
