import ipaddr from 'ipaddr.js';
import twilio from 'twilio';
import type { TwilioConfig } from '#config';
import type { DeliveryReport, Failure } from './message-sender.js';
import { failureOfReport } from './twilio-errors.js';

/** What Twilio posts to a message's callback address. */
export interface StatusCallback {
  /** `X-Twilio-Signature` */
  readonly signature: unknown;
  /** From the question mark on. */
  readonly query: string;
  /** The form; a name that came twice has a list. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** Twilio did not write this, or not for us. */
export class ReportForged extends Error {
  constructor() {
    super('the report is not signed by the provider');
  }
}

type Status = DeliveryReport['status'];

const MESSAGE_STATUSES: ReadonlyMap<string, Status> = new Map([
  ['accepted', 'accepted'],
  ['scheduled', 'accepted'],
  ['queued', 'accepted'],
  ['sending', 'accepted'],
  ['sent', 'sent'],
  ['delivered', 'delivered'],
  ['read', 'delivered'],
  ['undelivered', 'undelivered'],
  ['failed', 'failed'],
  ['canceled', 'failed'],
]);

const CALL_STATUSES: ReadonlyMap<string, Status> = new Map([
  ['queued', 'accepted'],
  ['initiated', 'accepted'],
  ['ringing', 'accepted'],
  ['in-progress', 'delivered'],
  ['answered', 'delivered'],
  ['completed', 'delivered'],
  ['busy', 'undelivered'],
  ['no-answer', 'undelivered'],
  ['canceled', 'undelivered'],
  ['failed', 'failed'],
]);

const PATH = '/v1/webhooks/twilio';

/**
 * Twilio's connection overrides, which it neither sends nor signs: five times more while we are away (`ct`, `rt`) or
 * in trouble (`5xx`). https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
const OVERRIDES = '#rc=5&rp=5xx,ct,rt';

/** Where Twilio may report to; null where its reports would not arrive or could not be believed. */
export function callbackUrlFor(
  publicUrl: string | null,
  { signingTokens, apiUrl }: Pick<TwilioConfig, 'signingTokens' | 'apiUrl'>,
): string | null {
  if (publicUrl === null || signingTokens.length === 0) return null;
  // Behind another API address stands a test double, which may be our neighbour.
  return apiUrl !== null || isReachable(new URL(publicUrl).hostname) ? publicUrl + PATH : null;
}

/** The address for the reports on one message. */
export function callbackUrlOf(callbackUrl: string, reference: string): string {
  return `${callbackUrl}?message=${encodeURIComponent(reference)}${OVERRIDES}`;
}

/** Reads what Twilio says of messages that it took. */
export class TwilioReports {
  // Hard-private: `inspect` shows other fields.
  readonly #accountSid: string;
  readonly #signingTokens: readonly string[];

  /** @param callbackUrl as Twilio knows it: a proxy may have changed scheme, host and port of what arrives. */
  constructor(
    { accountSid, signingTokens }: Pick<TwilioConfig, 'accountSid' | 'signingTokens'>,
    private readonly callbackUrl: string,
  ) {
    this.#accountSid = accountSid;
    this.#signingTokens = signingTokens;
  }

  /**
   * Null for what is signed and says nothing that we know.
   * @throws ReportForged
   */
  read(callback: StatusCallback): DeliveryReport | null {
    const { query, params } = callback;
    if (!this.isSigned(callback) || params.AccountSid !== this.#accountSid) throw new ReportForged();
    const reference = new URLSearchParams(query).get('message');
    const said = saidOf(params as Params);
    return reference && said ? { reference, ...said } : null;
  }

  private isSigned({ signature, query, params }: StatusCallback): boolean {
    if (typeof signature !== 'string') return false;
    // The signature is over the names and values without a gap between them, and over each value once: a name that
    // comes twice could be signed by another form.
    if (!Object.values(params).every((value) => typeof value === 'string')) return false;
    // All of them, whichever fits: how long it takes does not tell which one does.
    const url = this.callbackUrl + query;
    const fits = this.#signingTokens.map((token) => twilio.validateRequest(token, signature, url, params));
    return fits.includes(true);
  }
}

type Params = Readonly<Partial<Record<string, string>>>;

function saidOf(params: Params): Omit<DeliveryReport, 'reference'> | null {
  const { MessageSid, CallSid, ErrorCode } = params;
  const providerId = MessageSid || CallSid;
  const word = (MessageSid ? params.MessageStatus : params.CallStatus) ?? '';
  const status = (MessageSid ? MESSAGE_STATUSES : CALL_STATUSES).get(word);
  if (!providerId || !status) return null;
  if (status !== 'undelivered' && status !== 'failed') return { providerId, status };
  // Of a call it says no more than that nobody took it.
  const failure = MessageSid || ErrorCode ? failureOfReport(status, ErrorCode) : notTaken(word);
  return { providerId, status, failure };
}

function notTaken(code: string): Failure {
  return { code, reason: 'unreachable', cure: 'another_channel' };
}

/** Whether Twilio could know the host; it takes no name with an underscore. */
function isReachable(hostname: string): boolean {
  const host = hostname.replace(/^\[|[\].]$/g, '');
  if (ipaddr.isValid(host)) return ipaddr.process(host).range() === 'unicast';
  return host.includes('.') && !host.includes('_') && !/\.(localhost|local|internal)$/.test(host);
}
