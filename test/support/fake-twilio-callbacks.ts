import { createHmac } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../apps/simulate/src/random.js';

/** What a report tells of its message, and where to. */
export interface ReportedMessage {
  readonly sid: string;
  readonly channel: 'sms' | 'whatsapp' | 'call';
  /** The number, whatever the channel. */
  readonly to: string;
  /** The number, whatever the channel. */
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** As it came, with the fragment. */
  readonly statusCallback: string | null;
}

/** A status, or one with the error code that explains it. */
export type Said = string | Readonly<Record<string, number>>;

/** What is said of a message, in order; or of each its own. */
export type CallbackPlan = readonly Said[] | ((message: ReportedMessage) => readonly Said[]);

export interface CallbackOptions {
  /** How long after the message the first report comes. */
  readonly lateMs?: number;
  /** Each report twice. */
  readonly doubled?: boolean;
  /** The reports in another order, the same one for the same seed. */
  readonly shuffled?: number;
}

/** What is wrong with a report by hand; nothing unless said. */
export interface Forgery {
  readonly errorCode?: number;
  /** Null: not signed. */
  readonly signedWith?: string | null;
  /** Posted here, and signed for it, instead of the message's own address. */
  readonly url?: string;
  /** Signed for this address, wherever it is posted. */
  readonly signedFor?: string;
  /** Parameters as they are posted, but not as they are signed. */
  readonly changed?: Readonly<Record<string, string>>;
}

export interface AnsweredReport {
  readonly sid: string;
  readonly status: string;
  /** The HTTP status; null: there was no answer, however often it was tried. */
  readonly answer: number | null;
}

interface Account {
  readonly accountSid: string;
  readonly authToken: string;
}

const AT_ONCE = 8;
const LIMIT_MS = 15_000;
/** Twilio waits longer; it doubles each time. */
const RETRY_MS = 50;

/** Posts reports on messages as Twilio does: signed, a few at once, and again as the fragment of the address asks. */
export class FakeCallbacks {
  readonly answered: AnsweredReport[] = [];
  /** The HTTP statuses of answers after which a report comes again. */
  readonly refusals: number[] = [];
  /** What reports are signed with from now on. */
  token: string;
  /** Where the public addresses lead, as a proxy before the server would; null: where they say. */
  via: string | null = null;
  private planFor: (message: ReportedMessage) => readonly Said[] = () => [];
  private options: CallbackOptions = {};
  private random = new Random(0);
  private readonly running = new Set<Promise<void>>();
  private ended = ending();
  private readonly agent = new Agent({ maxSockets: AT_ONCE });

  constructor(
    private readonly account: Account,
    private readonly told: () => void,
  ) {
    this.token = account.authToken;
  }

  follow(plan: CallbackPlan, options: CallbackOptions): void {
    this.planFor = typeof plan === 'function' ? plan : () => plan;
    this.options = options;
    this.random = new Random(options.shuffled ?? 0);
  }

  /** Reports on the message by the plan, one after another. */
  taken(message: ReportedMessage): void {
    const reports = message.statusCallback === null ? [] : this.reportsOn(message);
    if (reports.length === 0) return;
    const telling = this.tellAll(message, reports, this.ended.signal).catch(() => {});
    this.running.add(telling);
    void telling.then(() => this.running.delete(telling));
  }

  /** @returns the HTTP status. */
  async post(message: ReportedMessage, said: Said, forgery: Forgery = {}): Promise<number> {
    const { signal } = this.ended;
    const { url = message.statusCallback ?? '', signedWith = this.token, signedFor = url } = forgery;
    const form = { ...formOf(this.account, message, said), ...errorOf(forgery.errorCode) };
    const signature = signedWith === null ? null : sign(signedWith, withoutFragment(signedFor), form);
    return this.send(withoutFragment(url), { ...form, ...forgery.changed }, signature, signal);
  }

  /** Forgets what was to be reported, and breaks off what is. */
  async stop(): Promise<void> {
    this.ended.abort();
    await Promise.all(this.running);
    this.ended = ending();
  }

  private reportsOn(message: ReportedMessage): Said[] {
    const plan = this.planFor(message);
    const reports = this.options.doubled ? plan.flatMap((said) => [said, said]) : [...plan];
    if (this.options.shuffled === undefined) return reports;
    for (let last = reports.length - 1; last > 0; last -= 1) {
      const other = this.random.below(last + 1);
      [reports[last], reports[other]] = [reports[other] as Said, reports[last] as Said];
    }
    return reports;
  }

  private async tellAll(
    message: ReportedMessage,
    reports: readonly Said[],
    signal: AbortSignal,
  ): Promise<void> {
    await sleep(this.options.lateMs ?? 0, undefined, { signal });
    for (const said of reports) await this.tell(message, said, signal);
  }

  private async tell(message: ReportedMessage, said: Said, signal: AbortSignal): Promise<void> {
    const { retries, policy } = overridesOf(message.statusCallback ?? '');
    let answer: number | null = null;
    for (let attempt = 0; attempt <= retries; attempt += 1) {
      if (attempt > 0) await sleep(RETRY_MS * 2 ** (attempt - 1), undefined, { signal });
      answer = await this.post(message, said).catch(() => null);
      signal.throwIfAborted();
      const isFinal = answer === null ? !policy.includes('ct') : answer < 500 || !policy.includes('5xx');
      if (isFinal) break;
      if (answer !== null) this.refusals.push(answer);
      this.told();
    }
    this.answered.push({ sid: message.sid, status: statusOf(said).status, answer });
    this.told();
  }

  private send(url: string, form: Form, signature: string | null, signal: AbortSignal): Promise<number> {
    const address = new URL(url);
    const to = new URL(address.pathname + address.search, this.via ?? address);
    const body = new URLSearchParams(form).toString();
    const headers = {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': Buffer.byteLength(body),
      Host: address.host,
      'X-Forwarded-Proto': address.protocol.slice(0, -1),
      ...(signature !== null && { 'X-Twilio-Signature': signature }),
    };
    return new Promise((resolve, reject) => {
      const posted = request(to, { method: 'POST', headers, agent: this.agent, signal, timeout: LIMIT_MS });
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

/** Every report listens to it. */
function ending(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

type Form = Readonly<Record<string, string>>;

function formOf({ accountSid }: Account, message: ReportedMessage, said: Said): Form {
  const { status, errorCode } = statusOf(said);
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

function statusOf(said: Said): { status: string; errorCode?: number } {
  if (typeof said === 'string') return { status: said };
  const [[status, errorCode]] = Object.entries(said) as [[string, number]];
  return { status, errorCode };
}

function errorOf(errorCode: number | undefined): Form {
  return errorCode === undefined ? {} : { ErrorCode: String(errorCode) };
}

/** https://www.twilio.com/docs/usage/security#validating-requests */
function sign(token: string, url: string, form: Form): string {
  const said = Object.keys(form)
    .sort()
    .map((name) => name + form[name]);
  return createHmac('sha1', token)
    .update(url + said.join(''))
    .digest('base64');
}

function withoutFragment(url: string): string {
  return url.split('#')[0] as string;
}

/** Unsaid: once more, if no connection came about. */
function overridesOf(url: string): { retries: number; policy: readonly string[] } {
  const overrides = new URLSearchParams(url.split('#')[1]);
  return { retries: Number(overrides.get('rc') ?? 1), policy: (overrides.get('rp') ?? 'ct').split(',') };
}
