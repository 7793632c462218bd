import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { Answer } from './client.js';
import { waitFor } from './wait.js';

/** An event that the receiver has verified. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Answer['body'];
  /** The whole request, as text. */
  readonly raw: string;
  /** The status that was answered. */
  readonly status: number | 'hang';
}

/** The answer to a request: a status with headers, or none. */
type Reply = { readonly status: number; readonly headers?: Record<string, string> } | 'hang';

export const newWebhookSecret = () =>
  `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64')}`;

/** A backend that receives webhooks. It verifies every one with the library that docs/webhooks.md recommends. */
export class WebhookReceiver {
  readonly secret = newWebhookSecret();
  /** Every request, in order, whatever was answered. */
  readonly received: ReceivedEvent[] = [];
  /** The signatures of each request. */
  readonly signatures: string[][] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** The most requests that were open at once. */
  mostOpen = 0;
  private open = 0;
  /** Requests that did not verify. */
  readonly forged: unknown[] = [];
  /** Returns the answer to an event. */
  reply: (event: Omit<ReceivedEvent, 'status'>) => Reply = () => ({ status: 204 });

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebhookReceiver> {
    const server = createServer((request, response) => void receiver.receive(request, response));
    const receiver = new WebhookReceiver(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get variables(): Record<string, string> {
    return {
      WEBHOOK_URL: `http://127.0.0.1:${this.port}/hook`,
      WEBHOOK_SECRET: this.secret,
      WEBHOOK_ALLOW_PRIVATE: 'on',
    };
  }

  /** Returns the events of a type that were answered with success and have these members in their data. */
  of(type: string, members: Record<string, unknown> = {}): ReceivedEvent[] {
    const isMeant = ({ data }: ReceivedEvent) =>
      Object.entries(members).every(([name, value]) => data[name] === value);
    return this.received.filter(
      (event) =>
        event.type === type && typeof event.status === 'number' && event.status < 300 && isMeant(event),
    );
  }

  /** Waits for an event of a type. */
  async next(type: string, members: Record<string, unknown> = {}, withinMs?: number): Promise<ReceivedEvent> {
    return waitFor(`the event ${type} ${JSON.stringify(members)}`, () => this.of(type, members)[0], withinMs);
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    response.once('close', () => {
      this.open -= 1;
    });
    const raw = await text(request);
    const headers = request.headers as Record<string, string>;
    let body: Pick<ReceivedEvent, 'type' | 'timestamp' | 'data'>;
    try {
      body = new Webhook(this.secret).verify(raw, headers) as typeof body;
    } catch (error) {
      this.forged.push(error);
      response.writeHead(401).end();
      return;
    }
    this.signatures.push((headers['webhook-signature'] ?? '').split(' '));
    this.authorizations.push(request.headers.authorization);
    const event = { id: headers['webhook-id'] as string, ...body, raw };
    const reply = this.reply(event);
    this.received.push({ ...event, status: reply === 'hang' ? reply : reply.status });
    if (reply !== 'hang') response.writeHead(reply.status, reply.headers).end('ignored');
  }
}
