import { randomBytes } from 'node:crypto';
import type { ReportedMessage } from './fake-twilio-reports.js';

export const WHATSAPP = 'whatsapp:';

/** A message or a call that the fake accepted. */
export interface AcceptedMessage extends ReportedMessage {
  /** Empty for a call and for a message that is made from a template. */
  readonly body: string;
  /** Seconds. */
  readonly validityPeriod: number | null;
  readonly contentSid: string | null;
  /** JSON. */
  readonly contentVariables: string | null;
  readonly provideFeedback: boolean;
  /** The script of a call. */
  readonly twiml: string | null;
  readonly receivedAt: Date;
}

export interface AcceptedFeedback {
  readonly messageSid: string;
  readonly outcome: string;
}

/** Reads an accepted request. */
export function messageOf(form: URLSearchParams, isCall: boolean): AcceptedMessage {
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

/** Returns random hexadecimal digits. */
export function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
