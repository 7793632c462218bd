import type { Failure, FailureReason, Recovery } from './message-provider.js';

/** `retry`: the failure is temporary. */
type Verdict = Omit<Failure, 'code'> | 'retry';

/** For failures that stay, such as a landline. Numbers are reassigned, so not for longer. */
const A_DAY = 24 * 60;

/** For failures that the recipient can cure, such as a STOP: not much longer than reading a hint and acting on it takes. */
const A_QUARTER = 15;

/** For failures that pass, such as a phone that is switched off. */
const MOMENTS = 2;

/**
 * The meaning of Twilio's error codes. Each code has a page: https://www.twilio.com/docs/api/errors/{code}. The number of
 * a failure is remembered as bad for as long as the failure is likely to last, and never for a fault of the sender.
 */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  // The number cannot receive messages on this channel, and will not tomorrow.
  21211: badNumber('invalid_number', 'none', A_DAY), // not a number
  21217: badNumber('invalid_number', 'none', A_DAY), // not a number, of a call
  21265: badNumber('invalid_number', 'none', A_DAY), // a short code
  21268: badNumber('blocked', 'none', A_DAY), // a premium rate, which only SMS pumping asks for
  21614: badNumber('invalid_number', 'another_channel', A_DAY), // not a mobile
  21635: badNumber('unreachable', 'another_channel', A_DAY), // a landline
  30005: badNumber('unreachable', 'another_channel', A_DAY), // an unassigned number
  30006: badNumber('unreachable', 'another_channel', A_DAY), // a landline, or an unreachable carrier

  // The recipient, or the carrier at the recipient's request, can change it.
  21214: badNumber('unreachable', 'none', A_QUARTER), // cannot be called
  21610: badNumber('blocked', 'none', A_QUARTER), // the recipient replied STOP, and may reply START
  30004: badNumber('blocked', 'another_channel', A_QUARTER), // blocked by the recipient or the carrier
  30007: badNumber('blocked', 'another_route', A_QUARTER), // filtered; filters look at the text and the sender
  63003: badNumber('unreachable', 'another_channel', A_QUARTER), // not on WhatsApp
  63014: badNumber('blocked', 'none', A_QUARTER), // blocked by the recipient on WhatsApp
  63024: badNumber('unreachable', 'another_channel', A_QUARTER), // no WhatsApp user, or one without its new terms

  // It passes.
  30003: badNumber('unreachable', 'another_channel', MOMENTS), // switched off, or out of reach

  // This message failed; the next one may not.
  13224: { reason: 'unreachable', recovery: 'another_channel' }, // no such number, or a carrier's outage
  21216: { reason: 'blocked', recovery: 'another_channel' }, // a blocked number, or an account without a profile
  21266: { reason: 'invalid_number', recovery: 'none' }, // the `From` itself
  30036: { reason: 'provider', recovery: 'another_route' }, // waited at Twilio until the code expired
  30038: { reason: 'provider', recovery: 'another_channel' }, // a Twilio number, which receives no codes
  63005: { reason: 'provider', recovery: 'another_channel' }, // WhatsApp does not accept the content
  63018: { reason: 'provider', recovery: 'another_channel' }, // WhatsApp's limit, which may last for a day

  // The account cannot send any message.
  20003: outage(), // the credentials
  20005: outage(), // not active
  30002: outage(), // suspended

  // The account cannot send to some countries, or from some numbers. These open no circuit: a request for a country
  // that is not enabled must not stop the messages to others.
  13227: country(), // calls to the country are not enabled
  21210: account('another_route'), // calls from a number of another account
  21212: account('another_route'), // the `From` is no number
  21215: country(), // calls to the country are not enabled
  21408: country(), // messages to the country are not enabled
  21603: account('another_route'), // no `From`
  21606: account('another_route'), // the `From` cannot send this
  21608: account('another_provider'), // a trial account, and a number that it has not verified
  21609: account('another_provider'), // an invalid status callback, which every message names
  21612: account('another_route'), // the `From` does not reach this country or carrier
  21655: account('another_channel'), // an unknown WhatsApp template
  21656: account('another_channel'), // variables that do not fit the WhatsApp template
  21659: account('another_route'), // a `From` that is not Twilio's, or a short code of another country
  21660: account('another_route'), // a `From` of another account
  21661: account('another_route'), // a `From` without SMS
  30010: account('another_route'), // dearer than the account's highest price
  30023: account('another_route'), // the daily cap of the brand (A2P 10DLC)
  30024: account('another_route'), // the carrier does not know the `From`
  30027: account('another_route'), // T-Mobile's daily cap of the brand
  30032: account('another_route'), // an unverified toll-free `From`
  30033: account('another_route'), // a suspended campaign (A2P 10DLC)
  30034: account('another_route'), // an unregistered `From` (A2P 10DLC)
  63007: account('another_route'), // an unknown WhatsApp `From`
  63013: account('another_channel'), // against WhatsApp's policy
  63016: account('another_channel'), // WhatsApp wants a template
  63027: account('another_channel'), // the WhatsApp template has no such language
  63028: account('another_channel'), // the WhatsApp template has another number of variables
  63051: account('another_channel'), // WhatsApp locked or restricted the account
  70051: account('another_route'), // the API key may not do this

  20429: 'retry', // too many requests
  21611: 'retry', // a full queue of the `From`
  21730: 'retry', // maintenance
  30001: 'retry', // a full queue
  30008: 'retry', // unknown error
  30017: 'retry', // a congested carrier
  30021: 'retry', // an internal error
  30022: 'retry', // the carrier's rate limit (A2P 10DLC)
  30410: 'retry', // the carrier did not answer in time
  63010: 'retry', // an internal error of the channel
  63012: 'retry', // an internal error of WhatsApp

  30450: fraud(),
  30453: fraud(),
};

/**
 * Codes of refused requests. A messaging service reports them later, because it accepts a message before it checks it.
 * Codes of 30000 and above come from carriers, which charge for the attempt.
 */
const REFUSAL = /^(13|2\d)\d{3}$/;

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
  const free = status === 'failed' && REFUSAL.test(code ?? '') ? { isFree: true } : {};
  if (verdict === 'retry')
    return { code: code as string, reason: 'provider', recovery: 'same_route', ...free };
  const reason = status === 'undelivered' ? 'unreachable' : 'provider';
  return { code: code || status, ...(verdict ?? { reason, recovery: 'another_route' }), ...free };
}

function badNumber(reason: FailureReason, recovery: Recovery, badForMinutes: number): Verdict {
  return { reason, recovery, badForMinutes };
}

function account(recovery: Recovery): Verdict {
  return { reason: 'provider', recovery, means: 'account' };
}

function country(): Verdict {
  return { reason: 'provider', recovery: 'another_route', means: 'country' };
}

function outage(): Verdict {
  return { reason: 'provider', recovery: 'another_provider', means: 'outage' };
}

function fraud(): Verdict {
  return { reason: 'blocked', recovery: 'none', means: 'fraud' };
}
