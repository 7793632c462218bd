import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../apps/cli/src/simulate/random.js';

/** The parts of a message that its delivery reports need. */
export interface ReportedMessage {
  readonly sid: string;
  readonly channel: 'sms' | 'whatsapp' | 'call';
  /** The phone number, without a channel prefix. */
  readonly to: string;
  /** The phone number, without a channel prefix. */
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** The address as the request named it, with its fragment. */
  readonly statusCallback: string | null;
}

/** A status, or a status with its error code. */
export type ReportedStatus = string | Readonly<Record<string, number>>;

/** The reports on a message, in order: the same for all messages, or chosen for each. */
export type ReportPlan =
  | readonly ReportedStatus[]
  | ((message: ReportedMessage) => readonly ReportedStatus[]);

export interface ReportOptions {
  /** The delay between the message and its first report. */
  readonly delayMs?: number;
  /** Sends each report twice. */
  readonly doubled?: boolean;
  /** Shuffles the reports with this seed. */
  readonly shuffleSeed?: number;
}

/** The faults of a forged report. */
export interface Forgery {
  readonly errorCode?: number;
  /** The result of machine detection on a call. */
  readonly answeredBy?: string;
  /** The auth token. Null: no signature. */
  readonly signedWith?: string | null;
  /** The address to post to and to sign for, instead of the message's own. */
  readonly url?: string;
  /** The address to sign for, when it differs from the address to post to. */
  readonly signedFor?: string;
  /** Parameters to change after the signature is made. */
  readonly changed?: Readonly<Record<string, string>>;
}

export interface AnsweredReport {
  readonly sid: string;
  readonly status: string;
  /** The HTTP status. Null: every attempt failed without an answer. */
  readonly answer: number | null;
}

interface Account {
  readonly accountSid: string;
  readonly authToken: string;
}

const CONNECTIONS = 8;
const TIMEOUT_MS = 15_000;
/** Doubles with each retry. Twilio waits longer. */
const RETRY_MS = 50;

/** Posts delivery reports as Twilio does: signed, over a few connections, with the retries that the address asks for. */
export class FakeReports {
  readonly answered: AnsweredReport[] = [];
  /** The HTTP statuses of answers that made a report repeat. */
  readonly refusals: number[] = [];
  /** The auth token that signs the reports. */
  token: string;
  /** The server that receives the reports instead of the public address, as if behind a proxy. */
  serverUrl: string | null = null;
  private planFor: (message: ReportedMessage) => readonly ReportedStatus[] = () => [];
  private options: ReportOptions = {};
  private random = new Random(0);
  private readonly running = new Set<Promise<void>>();
  private ended = ending();
  private readonly agent = new Agent({ maxSockets: CONNECTIONS });

  constructor(
    private readonly account: Account,
    private readonly onChange: () => void,
  ) {
    this.token = account.authToken;
  }

  follow(plan: ReportPlan, options: ReportOptions): void {
    this.planFor = typeof plan === 'function' ? plan : () => plan;
    this.options = options;
    this.random = new Random(options.shuffleSeed ?? 0);
  }

  /** Sends the planned reports on a message, one after another. */
  start(message: ReportedMessage): void {
    const reports = message.statusCallback === null ? [] : this.reportsOn(message);
    if (reports.length === 0) return;
    const reporting = this.sendAll(message, reports, this.ended.signal).catch(() => {});
    this.running.add(reporting);
    void reporting.then(() => this.running.delete(reporting));
  }

  /** Posts one report and returns the HTTP status. */
  async post(message: ReportedMessage, reported: ReportedStatus, forgery: Forgery = {}): Promise<number> {
    const { signal } = this.ended;
    const { url = message.statusCallback ?? '', signedWith = this.token, signedFor = url } = forgery;
    const form = {
      ...formOf(this.account, message, reported),
      ...errorOf(forgery.errorCode),
      ...(forgery.answeredBy !== undefined && { AnsweredBy: forgery.answeredBy }),
    };
    const signature = signedWith === null ? null : signReport(signedWith, withoutFragment(signedFor), form);
    return this.send(withoutFragment(url), { ...form, ...forgery.changed }, signature, signal);
  }

  /** Cancels all pending reports. */
  async stop(): Promise<void> {
    this.ended.abort();
    await Promise.all(this.running);
    this.ended = ending();
  }

  private reportsOn(message: ReportedMessage): ReportedStatus[] {
    const plan = this.planFor(message);
    const reports = this.options.doubled ? plan.flatMap((reported) => [reported, reported]) : [...plan];
    if (this.options.shuffleSeed === undefined) return reports;
    for (let last = reports.length - 1; last > 0; last -= 1) {
      const other = this.random.below(last + 1);
      [reports[last], reports[other]] = [reports[other] as ReportedStatus, reports[last] as ReportedStatus];
    }
    return reports;
  }

  private async sendAll(
    message: ReportedMessage,
    reports: readonly ReportedStatus[],
    signal: AbortSignal,
  ): Promise<void> {
    await sleep(this.options.delayMs ?? 0, undefined, { signal });
    for (const reported of reports) await this.sendWithRetries(message, reported, signal);
  }

  private async sendWithRetries(
    message: ReportedMessage,
    reported: ReportedStatus,
    signal: AbortSignal,
  ): Promise<void> {
    const { retries, policy } = overridesOf(message.statusCallback ?? '');
    let answer: number | null = null;
    for (let attempt = 0; attempt <= retries; attempt += 1) {
      if (attempt > 0) await sleep(RETRY_MS * 2 ** (attempt - 1), undefined, { signal });
      answer = await this.post(message, reported).catch(() => null);
      signal.throwIfAborted();
      const isFinal = answer === null ? !policy.includes('ct') : answer < 500 || !policy.includes('5xx');
      if (isFinal) break;
      if (answer !== null) this.refusals.push(answer);
      this.onChange();
    }
    this.answered.push({ sid: message.sid, status: statusOf(reported).status, answer });
    this.onChange();
  }

  private send(url: string, form: Form, signature: string | null, signal: AbortSignal): Promise<number> {
    const address = new URL(url);
    const to = new URL(address.pathname + address.search, this.serverUrl ?? address);
    const body = new URLSearchParams(form).toString();
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': Buffer.byteLength(body),
      Host: address.host,
      'X-Forwarded-Proto': address.protocol.slice(0, -1),
      ...(signature !== null && { 'X-Twilio-Signature': signature }),
    };
    return new Promise((resolve, reject) => {
      const posted = request(to, { method: 'POST', headers, agent: this.agent, signal, timeout: TIMEOUT_MS });
      posted.on('response', (response) =>
        response.resume().on('end', () => resolve(response.statusCode ?? 0)),
      );
      posted.on('timeout', () => posted.destroy(new Error('no answer in time')));
      posted.on('error', reject);
      posted.on('close', () => reject(new Error('no whole answer')));
      posted.end(body);
    });
  }
}

/** Every pending report listens to this signal. */
function ending(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

type Form = Readonly<Record<string, string>>;

function formOf({ accountSid }: Account, message: ReportedMessage, reported: ReportedStatus): Form {
  const { status, errorCode } = statusOf(reported);
  const { sid, from, to, messagingServiceSid } = message;
  const common = { AccountSid: accountSid, ApiVersion: '2010-04-01', ...errorOf(errorCode) };
  if (message.channel === 'call') {
    return {
      ...common,
      CallSid: sid,
      CallStatus: status,
      Called: to,
      Caller: from ?? '',
      Direction: 'outbound-api',
      From: from ?? '',
      To: to,
    };
  }
  const prefix = message.channel === 'whatsapp' ? 'whatsapp:' : '';
  return {
    ...common,
    From: prefix + (from ?? '+15005550006'),
    MessageSid: sid,
    MessageStatus: status,
    ...(messagingServiceSid !== null && { MessagingServiceSid: messagingServiceSid }),
    SmsSid: sid,
    SmsStatus: status,
    To: prefix + to,
  };
}

function statusOf(reported: ReportedStatus): { status: string; errorCode?: number } {
  if (typeof reported === 'string') return { status: reported };
  const [[status, errorCode]] = Object.entries(reported) as [[string, number]];
  return { status, errorCode };
}

function errorOf(errorCode: number | undefined): Form {
  return errorCode === undefined ? {} : { ErrorCode: String(errorCode) };
}

/** Signs as https://www.twilio.com/docs/usage/security#validating-requests describes, without Twilio's library. */
export function signReport(
  token: string,
  url: string,
  form: Readonly<Record<string, string | string[]>>,
): string {
  const parameters = Object.keys(form)
    .sort()
    .map((name) => name + form[name]);
  return createHmac('sha1', token)
    .update(url + parameters.join(''))
    .digest('base64');
}

function withoutFragment(url: string): string {
  return url.split('#')[0] as string;
}

/** Reads the retries from the fragment. By default Twilio retries once, if it could not connect. */
function overridesOf(url: string): { retries: number; policy: readonly string[] } {
  const overrides = new URLSearchParams(url.split('#')[1]);
  return { retries: Number(overrides.get('rc') ?? 1), policy: (overrides.get('rp') ?? 'ct').split(',') };
}
