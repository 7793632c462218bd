import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/**
 * How the fake answers a message it could take.
 * - `accept`: 201 and the Message resource
 * - `{ refuse }`: 400, or another status, with this error code of Twilio's
 * - `{ throttle }`: 429 with this `Retry-After`
 * - `{ fail }`: this 5xx status
 * - `hang`: never, and the message is not taken
 * - `reset`: by a TCP reset, and the message is not taken
 * - `cut`: takes the message, then closes in the middle of saying so
 * - `garble`: takes the message, then says so in half a JSON text
 * - `drip`: takes the message, then says so in blanks that never end
 * - `{ slow }`: takes the message, then says so after as many milliseconds
 */
export type Answer = Taking | Failing | 'hang' | 'reset';

type Taking = 'accept' | 'cut' | 'garble' | 'drip' | { readonly slow: number };

type Failing =
  | { readonly refuse: number; readonly status?: number }
  | { readonly throttle: string }
  | { readonly fail: number; readonly retryAfter?: string };

export interface AcceptedMessage {
  readonly sid: string;
  readonly to: string;
  readonly body: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** Seconds. */
  readonly validityPeriod: number | null;
  readonly receivedAt: Date;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly form: URLSearchParams;
}

interface Waiter {
  readonly met: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

const DRIP_MS = 10;
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Twilio's Messages API as far as creating a message goes, on a real loopback server. */
export class FakeTwilio {
  readonly accountSid = `AC${hex(16)}`;
  readonly authToken = hex(16);
  /** Credentials that do as well as the account's own. */
  readonly apiKey = { sid: `SK${hex(16)}`, secret: hex(16) };
  readonly messages: AcceptedMessage[] = [];
  /** Whatever arrived whole, the turned-away included. */
  readonly requests: SeenRequest[] = [];
  /** Connections ever opened. */
  connections = 0;
  private port = 0;

  private readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy());
  });
  private readonly next: Answer[] = [];
  private always: Answer = 'accept';
  private readonly waiters = new Set<Waiter>();
  private readonly timers = new Set<NodeJS.Timeout>();

  private constructor() {
    this.server.on('connection', () => {
      this.connections += 1;
    });
  }

  static async start(): Promise<FakeTwilio> {
    const fake = new FakeTwilio();
    await fake.listen();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next messages get these answers, one each; those after them get what `answerAll` said. */
  answer(...next: Answer[]): void {
    this.next.push(...next);
  }

  /** Every message from now on; `accept` until something else is said. */
  answerAll(answer: Answer): void {
    this.next.length = 0;
    this.always = answer;
  }

  /** Waits until this many messages have been taken since the start. */
  received(count: number): Promise<void> {
    return this.until(() => this.messages.length >= count);
  }

  /** Waits until this many requests have arrived since the start. */
  requested(count: number): Promise<void> {
    return this.until(() => this.requests.length >= count);
  }

  /** Refuses connections from now on, and breaks those it has. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    for (const { reject } of this.waiters) reject(new Error('the fake was stopped'));
    this.waiters.clear();
    for (const timer of this.timers) clearInterval(timer);
    this.timers.clear();
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** Also after `stop`: the same address and the same credentials again. */
  async listen(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const form = new URLSearchParams(await text(request));
    this.requests.push({ method, path, headers, form });
    this.tellWaiters();

    const fault = this.faultOf(method, path, headers, form);
    if (fault) reply(response, fault);
    else this.give(this.next.shift() ?? this.always, form, response);
  }

  private faultOf(
    method: string,
    path: string,
    headers: IncomingHttpHeaders,
    form: URLSearchParams,
  ): Reply | null {
    if (!this.knows(headers.authorization)) {
      return errorReply(401, 20003, 'Authenticate', { 'WWW-Authenticate': 'Basic realm="Twilio API"' });
    }
    if (path !== `/2010-04-01/Accounts/${this.accountSid}/Messages.json`) {
      return errorReply(404, 20404, `The requested resource ${path} was not found`);
    }
    if (method !== 'POST') return errorReply(405, 20004, 'Method not allowed');
    if (!form.get('To')) return errorReply(400, 21604, "A 'To' phone number is required.");
    if (!form.get('From') && !form.get('MessagingServiceSid')) {
      return errorReply(400, 21603, "A 'From' phone number is required.");
    }
    if (!form.get('Body')) return errorReply(400, 21602, 'Message body is required.');
    return null;
  }

  private knows(authorization: string | undefined): boolean {
    const known = [
      [this.accountSid, this.authToken],
      [this.apiKey.sid, this.apiKey.secret],
    ];
    return known.some((pair) => authorization === `Basic ${Buffer.from(pair.join(':')).toString('base64')}`);
  }

  private give(answer: Answer, form: URLSearchParams, response: ServerResponse): void {
    if (answer === 'reset') response.socket?.resetAndDestroy();
    else if (typeof answer === 'object' && !('slow' in answer)) reply(response, failureReply(answer, form));
    else if (answer !== 'hang') this.confirm(answer, this.take(form), response);
  }

  private confirm(answer: Taking, message: object, response: ServerResponse): void {
    const whole = JSON.stringify(message);
    const half = whole.slice(0, whole.length / 2);
    if (answer === 'accept') reply(response, { status: 201, body: whole });
    else if (answer === 'garble') reply(response, { status: 201, body: half });
    else if (answer === 'cut') {
      response.writeHead(201, { ...JSON_TYPE, 'Content-Length': Buffer.byteLength(whole) });
      response.write(half, () => response.destroy());
    } else if (answer === 'drip') {
      response.writeHead(201, JSON_TYPE);
      const drip = setInterval(() => response.write(' '), DRIP_MS);
      this.timers.add(drip);
      response.on('close', () => clearInterval(drip));
    } else {
      this.timers.add(setTimeout(() => reply(response, { status: 201, body: whole }), answer.slow));
    }
  }

  /** @returns the Message resource. */
  private take(form: URLSearchParams): object {
    const sid = `SM${hex(16)}`;
    const receivedAt = new Date();
    const to = form.get('To') ?? '';
    const body = form.get('Body') ?? '';
    const from = form.get('From');
    const messagingServiceSid = form.get('MessagingServiceSid');
    const validity = form.get('ValidityPeriod');
    const validityPeriod = validity === null ? null : Number(validity);
    this.messages.push({ sid, to, body, from, messagingServiceSid, validityPeriod, receivedAt });
    this.tellWaiters();

    const uri = `/2010-04-01/Accounts/${this.accountSid}/Messages/${sid}`;
    // RFC 2822, section 3.3: a numeric zone.
    const date = receivedAt.toUTCString().replace('GMT', '+0000');
    return {
      account_sid: this.accountSid,
      api_version: '2010-04-01',
      body,
      date_created: date,
      date_sent: null,
      date_updated: date,
      direction: 'outbound-api',
      error_code: null,
      error_message: null,
      from,
      messaging_service_sid: messagingServiceSid,
      num_media: '0',
      num_segments: messagingServiceSid ? '0' : '1',
      price: null,
      price_unit: null,
      sid,
      status: messagingServiceSid ? 'accepted' : 'queued',
      subresource_uris: { media: `${uri}/Media.json` },
      to,
      uri: `${uri}.json`,
    };
  }

  private until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiters.add({ met, resolve, reject }));
  }

  private tellWaiters(): void {
    for (const waiter of this.waiters) {
      if (!waiter.met()) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }
}

interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

function reply(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...JSON_TYPE, ...headers }).end(body);
}

function failureReply(answer: Failing, form: URLSearchParams): Reply {
  if ('refuse' in answer) {
    // Quotes what was sent, as Twilio does.
    const message = `The 'To' number ${form.get('To')} cannot be sent '${form.get('Body')}'.`;
    return errorReply(answer.status ?? 400, answer.refuse, message);
  }
  if ('throttle' in answer) {
    return errorReply(429, 20429, 'Too Many Requests', { 'Retry-After': answer.throttle });
  }
  const headers = answer.retryAfter === undefined ? undefined : { 'Retry-After': answer.retryAfter };
  return errorReply(answer.fail, 20500, 'Internal Server Error', headers);
}

function errorReply(status: number, code: number, message: string, headers?: Reply['headers']): Reply {
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  return { status, headers, body: JSON.stringify({ code, message, more_info, status }) };
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
