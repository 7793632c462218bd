import type { Cure, Failure, FailureReason } from './message-sender.js';

/** `retry`: it passes by itself. */
type Verdict = Omit<Failure, 'code'> | 'retry';

/** Each code's page: https://www.twilio.com/docs/api/errors/{code} */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  // The number, for any message of the channel.
  21211: badNumber('invalid_number', 'none'), // not a number
  21214: badNumber('unreachable', 'none'), // cannot be called
  21217: badNumber('invalid_number', 'none'), // not a number, of a call
  21268: badNumber('blocked', 'none'), // a premium rate: only a pumper asks for one
  21610: badNumber('blocked', 'none'), // the person said STOP
  21612: badNumber('unreachable', 'another_route'), // not from this sender
  21614: badNumber('invalid_number', 'another_channel'), // not a mobile
  21635: badNumber('unreachable', 'another_channel'), // a landline
  30004: badNumber('blocked', 'another_channel'), // by the person or the carrier
  30005: badNumber('unreachable', 'another_channel'), // nobody has it
  30006: badNumber('unreachable', 'another_channel'), // a landline, or a carrier that is not reached
  30007: badNumber('blocked', 'another_route'), // filtered
  63003: badNumber('unreachable', 'another_channel'), // not on WhatsApp
  63014: badNumber('blocked', 'none'), // the person blocked us on WhatsApp
  63024: badNumber('unreachable', 'another_channel'), // not a WhatsApp user, or one who has not agreed to its terms

  // This message, and perhaps not the next.
  13224: { reason: 'unreachable', cure: 'another_channel' }, // no such number, or a carrier's outage
  21216: { reason: 'blocked', cure: 'another_channel' }, // a blocked number, or an account without a profile
  30003: { reason: 'unreachable', cure: 'another_channel' }, // switched off, or out of reach
  63018: { reason: 'provider', cure: 'another_channel' }, // WhatsApp's limit, which may last for a day

  // The account, whatever the message.
  20003: outage(), // the credentials
  20005: outage(), // not active
  30002: outage(), // suspended

  // The account, for some countries, numbers or senders only: whoever asks for codes to a country that is not
  // enabled must not be able to stop the messages of everybody.
  13227: account('another_route'), // calls to the country are not enabled
  21210: account('another_route'), // calls from a number that is not ours
  21215: account('another_route'), // calls to the country are not enabled
  21408: account('another_route'), // messages to the country are not enabled
  21606: account('another_route'), // the sender cannot send this
  21608: account('another_sender'), // a trial account, and a number that it has not verified
  21609: account('another_sender'), // the address for status callbacks, which all our messages name
  30034: account('another_route'), // the sender is not registered (A2P 10DLC)
  63007: account('another_route'), // no such WhatsApp sender
  63016: account('another_channel'), // WhatsApp wants a template
  70051: account('another_route'), // the API key may not do this

  20429: 'retry', // too many requests
  30001: 'retry', // a full queue
  30008: 'retry', // nobody knows why

  30450: fraud(),
  30453: fraud(),
};

const UNKNOWN: Verdict = { reason: 'provider', cure: 'another_route' };

/** What is wrong by an answer that is no success; `code` is what it says itself. */
export function failureOfAnswer(status: number, code: unknown): Failure | { readonly retry: string } {
  const name = Number.isInteger(code) ? String(code) : `http_${status}`;
  const verdict = status === 429 || status >= 500 ? 'retry' : (VERDICTS[name] ?? UNKNOWN);
  return verdict === 'retry' ? { retry: name } : { code: name, ...verdict };
}

/** What is wrong by a report; `code` is what it says itself, and most carriers say nothing. */
export function failureOfReport(status: 'undelivered' | 'failed', code: string | undefined): Failure {
  const verdict = VERDICTS[code ?? ''];
  if (verdict === 'retry') return { code: code as string, reason: 'provider', cure: 'same_again' };
  const reason = status === 'undelivered' ? 'unreachable' : 'provider';
  return { code: code || status, ...(verdict ?? { reason, cure: 'another_route' }) };
}

function badNumber(reason: FailureReason, cure: Cure): Verdict {
  return { reason, cure, means: 'bad_number' };
}

function account(cure: Cure): Verdict {
  return { reason: 'provider', cure, means: 'account' };
}

function outage(): Verdict {
  return { reason: 'provider', cure: 'another_sender', means: 'outage' };
}

function fraud(): Verdict {
  return { reason: 'blocked', cure: 'none', means: 'fraud' };
}
