import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Random } from '../../apps/simulate/src/random.js';
import {
  type AnsweredReport,
  type CallbackOptions,
  type CallbackPlan,
  FakeCallbacks,
  type Forgery,
  type ReportedMessage,
  type Said,
} from './fake-twilio-callbacks.js';

/**
 * How the fake answers a request it could take: for a message, for a call or with feedback.
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

/** A message, or a call. */
export interface AcceptedMessage extends ReportedMessage {
  /** Empty for a call, and for what is made of a template. */
  readonly body: string;
  /** Seconds. */
  readonly validityPeriod: number | null;
  readonly contentSid: string | null;
  /** JSON. */
  readonly contentVariables: string | null;
  readonly provideFeedback: boolean;
  /** What a call says. */
  readonly twiml: string | null;
  readonly receivedAt: Date;
}

export interface AcceptedFeedback {
  readonly messageSid: string;
  readonly outcome: string;
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
const WHATSAPP = 'whatsapp:';
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Twilio's API as far as messages, calls, their feedback and their reports go, on a real loopback server. */
export class FakeTwilio {
  readonly accountSid = `AC${hex(16)}`;
  readonly authToken = hex(16);
  /** The other auth token, while one replaces the other. */
  readonly secondaryToken = hex(16);
  /** Credentials that do as well as the account's own. */
  readonly apiKey = { sid: `SK${hex(16)}`, secret: hex(16) };
  /** Messages and calls. */
  readonly messages: AcceptedMessage[] = [];
  readonly feedback: AcceptedFeedback[] = [];
  /** Whatever arrived whole, the turned-away included. */
  readonly requests: SeenRequest[] = [];
  /** Connections ever opened. */
  connections = 0;
  private port = 0;

  private readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy());
  });
  private readonly next: Answer[] = [];
  private usual: () => Answer = () => 'accept';
  private readonly callbacksOut = new FakeCallbacks(this, () => this.tellWaiters());
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

  /** The next requests get these answers, one each; those after them get what `answerAll` said. */
  answer(...next: Answer[]): void {
    this.next.push(...next);
  }

  /** Every request from now on; `accept` until something else is said. */
  answerAll(answer: Answer): void {
    this.next.length = 0;
    this.usual = () => answer;
  }

  /** About this share of the requests from now on gets that answer, the same ones for the same seed. */
  answerRandomly({ share, with: fault }: { share: number; with: Answer }, seed: number): void {
    const random = new Random(seed);
    this.next.length = 0;
    this.usual = () => (random.chance(share) ? fault : 'accept');
  }

  /** What is reported, from now on, of each message that named an address for it; nothing until this is said. */
  callbacks(plan: CallbackPlan, options: CallbackOptions = {}): void {
    this.callbacksOut.follow(plan, options);
  }

  /** Reports by hand, or pretends to; says what the server answered. */
  report(sid: string, said: Said, forgery: Forgery = {}): Promise<number> {
    const message = this.messages.find((taken) => taken.sid === sid);
    if (!message) throw new Error(`there is no message ${sid}`);
    return this.callbacksOut.post(message, said, forgery);
  }

  /** What reports are signed with from now on. */
  signWith(token: string): void {
    this.callbacksOut.token = token;
  }

  /** Where the public addresses lead, as a proxy before the server would. */
  reportVia(address: string): void {
    this.callbacksOut.via = address;
  }

  /** What was reported and answered, in that order. */
  get reports(): readonly AnsweredReport[] {
    return this.callbacksOut.answered;
  }

  /** What reports were answered that came again, or will. */
  get refusals(): readonly number[] {
    return this.callbacksOut.refusals;
  }

  /** Waits until this many times a report has been refused, and is to come again, since the start. */
  refused(count: number): Promise<void> {
    return this.until(() => this.refusals.length >= count);
  }

  /** Waits until this many reports have been answered since the start. */
  reported(count: number): Promise<void> {
    return this.until(() => this.reports.length >= count);
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
    await this.callbacksOut.stop();
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
    else this.give(this.next.shift() ?? this.usual(), path, form, response);
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
    const resource = this.resourceOf(path);
    if (!resource) return errorReply(404, 20404, `The requested resource ${path} was not found`);
    if (method !== 'POST') return errorReply(405, 20004, 'Method not allowed');
    if (resource === 'message') return faultOfMessage(form);
    if (resource === 'call') return faultOfCall(form);
    return ['confirmed', 'unconfirmed'].includes(form.get('Outcome') ?? 'confirmed')
      ? null
      : errorReply(400, 20001, 'Outcome must be confirmed or unconfirmed');
  }

  private resourceOf(path: string): 'message' | 'call' | 'feedback' | null {
    const account = `/2010-04-01/Accounts/${this.accountSid}`;
    if (path === `${account}/Messages.json`) return 'message';
    if (path === `${account}/Calls.json`) return 'call';
    const isKnown = this.messages.some(({ sid }) => path === `${account}/Messages/${sid}/Feedback.json`);
    return isKnown ? 'feedback' : null;
  }

  private knows(authorization: string | undefined): boolean {
    const known = [
      [this.accountSid, this.authToken],
      [this.apiKey.sid, this.apiKey.secret],
    ];
    return known.some((pair) => authorization === `Basic ${Buffer.from(pair.join(':')).toString('base64')}`);
  }

  private give(answer: Answer, path: string, form: URLSearchParams, response: ServerResponse): void {
    if (answer === 'reset') response.socket?.resetAndDestroy();
    else if (typeof answer === 'object' && !('slow' in answer)) reply(response, failureReply(answer, form));
    else if (answer !== 'hang') this.confirm(answer, this.take(path, form), response);
  }

  private take(path: string, form: URLSearchParams): Reply {
    const resource = this.resourceOf(path);
    if (resource === 'feedback') return this.takeFeedback(path.split('/').at(-2) ?? '', form);
    const message = messageOf(form, resource === 'call');
    this.messages.push(message);
    this.tellWaiters();
    this.callbacksOut.taken(message);
    const taken = resource === 'call' ? this.callResource(message) : this.messageResource(message, form);
    return { status: 201, body: JSON.stringify(taken) };
  }

  private takeFeedback(messageSid: string, form: URLSearchParams): Reply {
    const outcome = form.get('Outcome') ?? 'confirmed';
    this.feedback.push({ messageSid, outcome });
    this.tellWaiters();
    const date = rfc2822(new Date());
    const taken = {
      account_sid: this.accountSid,
      date_created: date,
      date_updated: date,
      message_sid: messageSid,
      outcome,
      uri: `/2010-04-01/Accounts/${this.accountSid}/Messages/${messageSid}/Feedback.json`,
    };
    return { status: 200, body: JSON.stringify(taken) };
  }

  private confirm(answer: Taking, taken: Reply, response: ServerResponse): void {
    const { status, body: whole } = taken;
    const half = whole.slice(0, whole.length / 2);
    if (answer === 'accept') reply(response, taken);
    else if (answer === 'garble') reply(response, { status, body: half });
    else if (answer === 'cut') {
      response.writeHead(status, { ...JSON_TYPE, 'Content-Length': Buffer.byteLength(whole) });
      response.write(half, () => response.destroy());
    } else if (answer === 'drip') {
      response.writeHead(status, JSON_TYPE);
      const drip = setInterval(() => response.write(' '), DRIP_MS);
      this.timers.add(drip);
      response.on('close', () => clearInterval(drip));
    } else {
      this.timers.add(setTimeout(() => reply(response, taken), answer.slow));
    }
  }

  private messageResource(
    { sid, body, messagingServiceSid, receivedAt }: AcceptedMessage,
    form: URLSearchParams,
  ) {
    const uri = `/2010-04-01/Accounts/${this.accountSid}/Messages/${sid}`;
    const date = rfc2822(receivedAt);
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
      from: form.get('From'),
      messaging_service_sid: messagingServiceSid,
      num_media: '0',
      num_segments: messagingServiceSid ? '0' : '1',
      price: null,
      price_unit: null,
      sid,
      status: messagingServiceSid ? 'accepted' : 'queued',
      subresource_uris: { media: `${uri}/Media.json` },
      to: form.get('To'),
      uri: `${uri}.json`,
    };
  }

  /** As much of it as anybody reads: we have no description of it. */
  private callResource({ sid, to, from, receivedAt }: AcceptedMessage) {
    return {
      account_sid: this.accountSid,
      api_version: '2010-04-01',
      date_created: rfc2822(receivedAt),
      direction: 'outbound-api',
      from,
      sid,
      status: 'queued',
      to,
      uri: `/2010-04-01/Accounts/${this.accountSid}/Calls/${sid}.json`,
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

function messageOf(form: URLSearchParams, isCall: boolean): AcceptedMessage {
  const to = form.get('To') ?? '';
  const validity = form.get('ValidityPeriod');
  return {
    sid: `${isCall ? 'CA' : 'SM'}${hex(16)}`,
    channel: isCall ? 'call' : to.startsWith(WHATSAPP) ? 'whatsapp' : 'sms',
    to: numberOf(to),
    body: form.get('Body') ?? '',
    from: form.has('From') ? numberOf(form.get('From') ?? '') : null,
    messagingServiceSid: form.get('MessagingServiceSid'),
    validityPeriod: validity === null ? null : Number(validity),
    statusCallback: form.get('StatusCallback'),
    contentSid: form.get('ContentSid'),
    contentVariables: form.get('ContentVariables'),
    provideFeedback: form.get('ProvideFeedback') === 'true',
    twiml: form.get('Twiml'),
    receivedAt: new Date(),
  };
}

function numberOf(address: string): string {
  return address.startsWith(WHATSAPP) ? address.slice(WHATSAPP.length) : address;
}

function faultOfMessage(form: URLSearchParams): Reply | null {
  if (!form.get('To')) return errorReply(400, 21604, "A 'To' phone number is required.");
  if (!form.get('From') && !form.get('MessagingServiceSid')) {
    return errorReply(400, 21603, "A 'From' phone number is required.");
  }
  const isWhatsApp = (name: string) => form.get(name)?.startsWith(WHATSAPP) ?? false;
  if (form.has('From') && isWhatsApp('From') !== isWhatsApp('To')) {
    return errorReply(400, 21910, "'From' and 'To' must be of the same channel.");
  }
  if (!form.get('Body') && !form.get('ContentSid'))
    return errorReply(400, 21602, 'Message body is required.');
  return faultOfCallback(form);
}

function faultOfCall(form: URLSearchParams): Reply | null {
  if (!form.get('To')) return errorReply(400, 21201, "No 'To' number is specified");
  if (!form.get('From')) return errorReply(400, 21213, "No 'From' number is specified");
  if (!form.get('Twiml')) return errorReply(400, 21205, 'Url parameter is required.');
  return faultOfCallback(form);
}

function faultOfCallback(form: URLSearchParams): Reply | null {
  const address = form.get('StatusCallback');
  return address === null || URL.canParse(address)
    ? null
    : errorReply(400, 21609, "The 'StatusCallback' URL is not a valid URL.");
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

/** RFC 2822, section 3.3: a numeric zone. */
function rfc2822(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
