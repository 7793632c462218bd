import ipaddr from 'ipaddr.js';
// Not from 'twilio', which loads the whole SDK.
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js';
import type { TwilioConfig } from '#config';
import type { DeliveryReport, Failure } from './message-provider.js';
import { failureOfReport } from './twilio-errors.js';

/** A status callback of Twilio. */
export interface StatusCallback {
  /** `X-Twilio-Signature` */
  readonly signature: unknown;
  /** The query string with its question mark. */
  readonly query: string;
  /** The form fields. A repeated name has an array. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** The callback is not signed by Twilio, or for another account. */
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

/** An answered call is not delivered before its end, because a mailbox answers too. */
const CALL_STATUSES: ReadonlyMap<string, Status> = new Map([
  ['queued', 'accepted'],
  ['initiated', 'accepted'],
  ['ringing', 'accepted'],
  ['in-progress', 'sent'],
  ['answered', 'sent'],
  ['completed', 'delivered'],
  ['busy', 'undelivered'],
  ['no-answer', 'undelivered'],
  ['canceled', 'undelivered'],
  ['failed', 'failed'],
]);

/**
 * The values of `AnsweredBy` for a call that no person answered
 * (https://www.twilio.com/docs/voice/answering-machine-detection). A call of unknown result counts as delivered.
 */
const MACHINES: ReadonlySet<string> = new Set([
  'machine_start',
  'machine_end_beep',
  'machine_end_silence',
  'machine_end_other',
  'fax',
]);

const PATH = '/v1/webhooks/twilio';

/**
 * Twilio's connection overrides, which it neither sends nor signs: five retries after a failed connection (`ct`), a
 * read timeout (`rt`) or a server error (`5xx`). https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
const OVERRIDES = '#rc=5&rp=5xx,ct,rt';

/** Returns the address for Twilio's reports; null where they could not arrive or could not be verified. */
export function callbackUrlFor(
  publicUrl: string | null,
  { signingTokens, apiUrl }: Pick<TwilioConfig, 'signingTokens' | 'apiUrl'>,
): string | null {
  if (publicUrl === null || signingTokens.length === 0) return null;
  // Another API address is a test double, which may run on this machine.
  return apiUrl !== null || isReachable(new URL(publicUrl).hostname) ? publicUrl + PATH : null;
}

/** Returns the address for the reports on one message. */
export function callbackUrlOf(callbackUrl: string, reference: string): string {
  return `${callbackUrl}?message=${encodeURIComponent(reference)}${OVERRIDES}`;
}

/** Verifies and reads Twilio's delivery reports. */
export class TwilioReports {
  // Private by `#`, because `inspect` shows other fields.
  readonly #accountSid: string;
  readonly #signingTokens: readonly string[];

  /** @param callbackUrl the address that Twilio signed: a proxy may have changed scheme, host and port of the request. */
  constructor(
    { accountSid, signingTokens }: Pick<TwilioConfig, 'accountSid' | 'signingTokens'>,
    private readonly callbackUrl: string,
  ) {
    this.#accountSid = accountSid;
    this.#signingTokens = signingTokens;
  }

  /**
   * Returns null for a signed callback without a known state.
   *
   * @throws ReportForged
   */
  read(callback: StatusCallback): { reference: string; report: DeliveryReport } | null {
    const { query, params } = callback;
    if (!this.isSigned(callback) || params.AccountSid !== this.#accountSid) throw new ReportForged();
    const reference = new URLSearchParams(query).get('message');
    const report = reportOf(params as Params);
    return reference && report ? { reference, report } : null;
  }

  private isSigned({ signature, query, params }: StatusCallback): boolean {
    if (typeof signature !== 'string') return false;
    // The signature covers names and values without separators, and each value once: the same signature would fit
    // another form with a repeated name.
    if (!Object.values(params).every((value) => typeof value === 'string')) return false;
    // Checks every token, so that the response time does not reveal which one fits.
    const url = this.callbackUrl + query;
    const fits = this.#signingTokens.map((token) => validateRequest(token, signature, url, params));
    return fits.includes(true);
  }
}

type Params = Readonly<Partial<Record<string, string>>>;

function reportOf(params: Params): DeliveryReport | null {
  const { MessageSid, CallSid, ErrorCode, AnsweredBy = '' } = params;
  const providerId = MessageSid || CallSid;
  const word = (MessageSid ? params.MessageStatus : params.CallStatus) ?? '';
  const status = (MessageSid ? MESSAGE_STATUSES : CALL_STATUSES).get(word);
  if (!providerId || !status) return null;
  if (!MessageSid && status === 'delivered' && MACHINES.has(AnsweredBy))
    return { providerId, status: 'undelivered', failure: unanswered(AnsweredBy) };
  if (status !== 'undelivered' && status !== 'failed') return { providerId, status };
  // A call without an error code was not answered.
  const failure = MessageSid || ErrorCode ? failureOfReport(status, ErrorCode) : unanswered(word);
  return { providerId, status, failure };
}

/** Returns the failure of a call that reached no person. */
function unanswered(code: string): Failure {
  return { code, reason: 'unreachable', recovery: 'another_channel' };
}

/** Returns whether Twilio could reach the host. It accepts no name with an underscore. */
function isReachable(hostname: string): boolean {
  const host = hostname.replace(/^\[|[\].]$/g, '');
  if (ipaddr.isValid(host)) return ipaddr.process(host).range() === 'unicast';
  return host.includes('.') && !host.includes('_') && !/\.(localhost|local|internal)$/.test(host);
}
