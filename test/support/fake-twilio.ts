import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Random } from '../../apps/cli/src/simulate/random.js';
import {
  callResource,
  errorReply,
  type Failing,
  failureReply,
  faultOfCall,
  faultOfMessage,
  feedbackResource,
  JSON_TYPE,
  messageResource,
  type Reply,
  sendReply,
} from './fake-twilio-replies.js';
import {
  type AnsweredReport,
  FakeReports,
  type Forgery,
  type ReportedStatus,
  type ReportOptions,
  type ReportPlan,
} from './fake-twilio-reports.js';
import { type AcceptedFeedback, type AcceptedMessage, hex, messageOf } from './fake-twilio-requests.js';

export type { AcceptedMessage } from './fake-twilio-requests.js';

/**
 * The answer to a valid request: for a message, for a call or with feedback.
 * - `accept`: 201 and the Message resource
 * - `{ refuse }`: 400, or another status, with this Twilio error code
 * - `{ throttle }`: 429 with this `Retry-After`
 * - `{ fail }`: this 5xx status
 * - `hang`: no answer, and the message is not accepted
 * - `reset`: a TCP reset, and the message is not accepted
 * - `cut`: accepts the message, then closes the connection in the middle of the response
 * - `garble`: accepts the message, then sends half of the JSON text
 * - `drip`: accepts the message, then sends blanks that never end
 * - `{ slow }`: accepts the message, then answers after this many milliseconds
 */
export type Answer = Accepting | Failing | 'hang' | 'reset';

type Accepting = 'accept' | 'cut' | 'garble' | 'drip' | { readonly slow: number };

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

/** The parts of Twilio's API that handle messages, calls, feedback and delivery reports, on a loopback server. */
export class FakeTwilio {
  readonly accountSid = `AC${hex(16)}`;
  readonly authToken = hex(16);
  /** The second auth token, valid during a rotation. */
  readonly secondaryToken = hex(16);
  /** An API key that is as good as the account's own credentials. */
  readonly apiKey = { sid: `SK${hex(16)}`, secret: hex(16) };
  /** Accepted messages and calls. */
  readonly messages: AcceptedMessage[] = [];
  readonly feedback: AcceptedFeedback[] = [];
  /** All complete requests, including refused ones. */
  readonly requests: SeenRequest[] = [];
  /** The number of connections opened since the start. */
  connections = 0;
  private port = 0;

  private readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy());
  });
  private readonly next: Answer[] = [];
  private defaultAnswer: () => Answer = () => 'accept';
  private readonly outgoingReports = new FakeReports(this, () => this.notifyWaiters());
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

  /** Returns the accepted messages to a number. */
  messagesTo(number: string): AcceptedMessage[] {
    return this.messages.filter(({ to }) => to === number);
  }

  /** Counts the requests for messages to a number, including refused ones. */
  requestsFor(number: string): number {
    return this.requests.filter(({ form }) => form.get('To') === number).length;
  }

  /** Sets the answers to the next requests, one each. Later requests get the answer of `answerAll`. */
  answer(...next: Answer[]): void {
    this.next.push(...next);
  }

  /** Sets the answer to all requests from now on. The default is `accept`. */
  answerAll(answer: Answer): void {
    this.next.length = 0;
    this.defaultAnswer = () => answer;
  }

  /** Gives this answer to about this share of the requests from now on, the same ones for the same seed. */
  answerRandomly({ share, with: fault }: { share: number; with: Answer }, seed: number): void {
    const random = new Random(seed);
    this.next.length = 0;
    this.defaultAnswer = () => (random.chance(share) ? fault : 'accept');
  }

  /** Plans the reports on each message that names an address for them. By default none are sent. */
  planReports(plan: ReportPlan, options: ReportOptions = {}): void {
    this.outgoingReports.follow(plan, options);
  }

  /** Sends one report, genuine or forged, and returns the HTTP status of the answer. */
  report(sid: string, reported: ReportedStatus, forgery: Forgery = {}): Promise<number> {
    const message = this.messages.find((accepted) => accepted.sid === sid);
    if (!message) throw new Error(`there is no message ${sid}`);
    return this.outgoingReports.post(message, reported, forgery);
  }

  /** Sets the auth token that signs all reports from now on. */
  signReportsWith(token: string): void {
    this.outgoingReports.token = token;
  }

  /** Sends reports to this server instead of the public address, as if it were behind a proxy. */
  sendReportsTo(serverUrl: string): void {
    this.outgoingReports.serverUrl = serverUrl;
  }

  /** The answered reports, in order. */
  get reports(): readonly AnsweredReport[] {
    return this.outgoingReports.answered;
  }

  /** The HTTP statuses of answers that made a report repeat. */
  get refusals(): readonly number[] {
    return this.outgoingReports.refusals;
  }

  /** Waits until this many reports were refused and will repeat, since the start. */
  refused(count: number): Promise<void> {
    return this.until(() => this.refusals.length >= count);
  }

  /** Waits until this many reports were answered since the start. */
  reported(count: number): Promise<void> {
    return this.until(() => this.reports.length >= count);
  }

  /** Waits until this many messages were accepted since the start. */
  received(count: number): Promise<void> {
    return this.until(() => this.messages.length >= count);
  }

  /** Waits until this many requests arrived since the start. */
  requested(count: number): Promise<void> {
    return this.until(() => this.requests.length >= count);
  }

  /** Closes all connections and refuses new ones. */
  async stop(): Promise<void> {
    await this.outgoingReports.stop();
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

  /** Starts listening, also again after `stop`, at the same address and with the same credentials. */
  async listen(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const form = new URLSearchParams(await text(request));
    if (method === 'GET') return sendReply(response, this.listMessages(headers));
    this.requests.push({ method, path, headers, form });
    this.notifyWaiters();

    const fault = this.faultOf(method, path, headers, form);
    if (fault) sendReply(response, fault);
    else this.respond(this.next.shift() ?? this.defaultAnswer(), path, form, response);
  }

  /** The list that a server asks for at start, to try its credentials. It is not among `requests`. */
  private listMessages({ authorization }: IncomingHttpHeaders): Reply {
    return this.isAuthorized(authorization)
      ? { status: 200, body: JSON.stringify({ messages: [], page: 0, page_size: 1 }) }
      : errorReply(401, 20003, 'Authenticate');
  }

  private faultOf(
    method: string,
    path: string,
    headers: IncomingHttpHeaders,
    form: URLSearchParams,
  ): Reply | null {
    if (!this.isAuthorized(headers.authorization)) {
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

  private isAuthorized(authorization: string | undefined): boolean {
    const credentials = [
      [this.accountSid, this.authToken],
      [this.apiKey.sid, this.apiKey.secret],
    ];
    return credentials.some(
      (pair) => authorization === `Basic ${Buffer.from(pair.join(':')).toString('base64')}`,
    );
  }

  private respond(answer: Answer, path: string, form: URLSearchParams, response: ServerResponse): void {
    if (answer === 'reset') response.socket?.resetAndDestroy();
    else if (typeof answer === 'object' && !('slow' in answer))
      sendReply(response, failureReply(answer, form));
    else if (answer !== 'hang') this.confirm(answer, this.accept(path, form), response);
  }

  private accept(path: string, form: URLSearchParams): Reply {
    const resource = this.resourceOf(path);
    if (resource === 'feedback') return this.acceptFeedback(path.split('/').at(-2) ?? '', form);
    const message = messageOf(form, resource === 'call');
    this.messages.push(message);
    this.notifyWaiters();
    this.outgoingReports.start(message);
    const accepted =
      resource === 'call'
        ? callResource(this.accountSid, message)
        : messageResource(this.accountSid, message, form);
    return { status: 201, body: JSON.stringify(accepted) };
  }

  private acceptFeedback(messageSid: string, form: URLSearchParams): Reply {
    const feedback = { messageSid, outcome: form.get('Outcome') ?? 'confirmed' };
    this.feedback.push(feedback);
    this.notifyWaiters();
    return { status: 200, body: JSON.stringify(feedbackResource(this.accountSid, feedback)) };
  }

  private confirm(answer: Accepting, accepted: Reply, response: ServerResponse): void {
    const { status, body: whole } = accepted;
    const half = whole.slice(0, whole.length / 2);
    if (answer === 'accept') sendReply(response, accepted);
    else if (answer === 'garble') sendReply(response, { status, body: half });
    else if (answer === 'cut') {
      response.writeHead(status, { ...JSON_TYPE, 'Content-Length': Buffer.byteLength(whole) });
      response.write(half, () => response.destroy());
    } else if (answer === 'drip') {
      response.writeHead(status, JSON_TYPE);
      const drip = setInterval(() => response.write(' '), DRIP_MS);
      this.timers.add(drip);
      response.on('close', () => clearInterval(drip));
    } else {
      this.timers.add(setTimeout(() => sendReply(response, accepted), answer.slow));
    }
  }

  private until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiters.add({ met, resolve, reject }));
  }

  private notifyWaiters(): void {
    for (const waiter of this.waiters) {
      if (!waiter.met()) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
