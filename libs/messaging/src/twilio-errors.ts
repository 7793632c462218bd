import type { Failure, FailureReason, Recovery } from './message-provider.js';

/** `retry`: the failure is temporary. */
type Verdict = Omit<Failure, 'code'> | 'retry';

/** The meaning of Twilio's error codes. Each code has a page: https://www.twilio.com/docs/api/errors/{code} */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  // The number cannot receive messages on this channel.
  21211: badNumber('invalid_number', 'none'), // not a number
  21214: badNumber('unreachable', 'none'), // cannot be called
  21217: badNumber('invalid_number', 'none'), // not a number, of a call
  21268: badNumber('blocked', 'none'), // a premium rate, which only SMS pumping asks for
  21610: badNumber('blocked', 'none'), // the recipient replied STOP
  21612: badNumber('unreachable', 'another_route'), // not reachable from this `From`
  21614: badNumber('invalid_number', 'another_channel'), // not a mobile
  21635: badNumber('unreachable', 'another_channel'), // a landline
  30004: badNumber('blocked', 'another_channel'), // blocked by the recipient or the carrier
  30005: badNumber('unreachable', 'another_channel'), // an unassigned number
  30006: badNumber('unreachable', 'another_channel'), // a landline, or an unreachable carrier
  30007: badNumber('blocked', 'another_route'), // filtered
  63003: badNumber('unreachable', 'another_channel'), // not on WhatsApp
  63014: badNumber('blocked', 'none'), // blocked by the recipient on WhatsApp
  63024: badNumber('unreachable', 'another_channel'), // not a WhatsApp user, or one who has not accepted its terms

  // This message failed; the next one may not.
  13224: { reason: 'unreachable', recovery: 'another_channel' }, // no such number, or a carrier's outage
  21216: { reason: 'blocked', recovery: 'another_channel' }, // a blocked number, or an account without a profile
  30003: { reason: 'unreachable', recovery: 'another_channel' }, // switched off, or out of reach
  63018: { reason: 'provider', recovery: 'another_channel' }, // WhatsApp's limit, which may last for a day

  // The account cannot send any message.
  20003: outage(), // the credentials
  20005: outage(), // not active
  30002: outage(), // suspended

  // The account cannot send to some countries, or from some numbers. These open no circuit: a request for a country
  // that is not enabled must not stop the messages to others.
  13227: account('another_route'), // calls to the country are not enabled
  21210: account('another_route'), // calls from a number of another account
  21215: account('another_route'), // calls to the country are not enabled
  21408: account('another_route'), // messages to the country are not enabled
  21606: account('another_route'), // the `From` cannot send this
  21608: account('another_provider'), // a trial account, and a number that it has not verified
  21609: account('another_provider'), // an invalid status callback, which every message names
  30034: account('another_route'), // an unregistered `From` (A2P 10DLC)
  63007: account('another_route'), // an unknown WhatsApp `From`
  63016: account('another_channel'), // WhatsApp wants a template
  70051: account('another_route'), // the API key may not do this

  20429: 'retry', // too many requests
  30001: 'retry', // a full queue
  30008: 'retry', // unknown error

  30450: fraud(),
  30453: fraud(),
};

const UNKNOWN: Verdict = { reason: 'provider', recovery: 'another_route' };

/** Returns the failure of a response that is not a success. */
export function failureOfAnswer(status: number, code: unknown): Failure | { readonly retry: string } {
  const name = Number.isInteger(code) ? String(code) : `http_${status}`;
  const verdict = status === 429 || status >= 500 ? 'retry' : (VERDICTS[name] ?? UNKNOWN);
  return verdict === 'retry' ? { retry: name } : { code: name, ...verdict };
}

/** Returns the failure of a delivery report. Most carriers give no code. */
export function failureOfReport(status: 'undelivered' | 'failed', code: string | undefined): Failure {
  const verdict = VERDICTS[code ?? ''];
  if (verdict === 'retry') return { code: code as string, reason: 'provider', recovery: 'same_route' };
  const reason = status === 'undelivered' ? 'unreachable' : 'provider';
  return { code: code || status, ...(verdict ?? { reason, recovery: 'another_route' }) };
}

function badNumber(reason: FailureReason, recovery: Recovery): Verdict {
  return { reason, recovery, means: 'bad_number' };
}

function account(recovery: Recovery): Verdict {
  return { reason: 'provider', recovery, means: 'account' };
}

function outage(): Verdict {
  return { reason: 'provider', recovery: 'another_provider', means: 'outage' };
}

function fraud(): Verdict {
  return { reason: 'blocked', recovery: 'none', means: 'fraud' };
}
