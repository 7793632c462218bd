import type { ServerResponse } from 'node:http';
import { type AcceptedFeedback, type AcceptedMessage, WHATSAPP } from './fake-twilio-requests.js';

export const JSON_TYPE = { 'Content-Type': 'application/json' };

export type Failing =
  | { readonly refuse: number; readonly status?: number }
  | { readonly throttle: string }
  | { readonly fail: number; readonly retryAfter?: string };

export interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

export function sendReply(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...JSON_TYPE, ...headers }).end(body);
}

export function failureReply(answer: Failing, form: URLSearchParams): Reply {
  if ('refuse' in answer) {
    // Twilio quotes the request in its errors.
    const message = `The 'To' number ${form.get('To')} cannot be sent '${form.get('Body')}'.`;
    return errorReply(answer.status ?? 400, answer.refuse, message);
  }
  if ('throttle' in answer) {
    return errorReply(429, 20429, 'Too Many Requests', { 'Retry-After': answer.throttle });
  }
  const headers = answer.retryAfter === undefined ? undefined : { 'Retry-After': answer.retryAfter };
  return errorReply(answer.fail, 20500, 'Internal Server Error', headers);
}

export function errorReply(status: number, code: number, message: string, headers?: Reply['headers']): Reply {
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  return { status, headers, body: JSON.stringify({ code, message, more_info, status }) };
}

/** Formats a date with a numeric zone (RFC 2822, section 3.3). */
function rfc2822(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

/** Makes a Message resource with all its members. */
export function messageResource(
  accountSid: string,
  { sid, body, messagingServiceSid, receivedAt }: AcceptedMessage,
  form: URLSearchParams,
): object {
  const uri = `/2010-04-01/Accounts/${accountSid}/Messages/${sid}`;
  const date = rfc2822(receivedAt);
  return {
    account_sid: accountSid,
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

/** Makes the members of a Call resource that the server may read. Twilio publishes no description of calls. */
export function callResource(accountSid: string, { sid, to, from, receivedAt }: AcceptedMessage): object {
  return {
    account_sid: accountSid,
    api_version: '2010-04-01',
    date_created: rfc2822(receivedAt),
    direction: 'outbound-api',
    from,
    sid,
    status: 'queued',
    to,
    uri: `/2010-04-01/Accounts/${accountSid}/Calls/${sid}.json`,
  };
}

/** Makes a Feedback resource with all its members. */
export function feedbackResource(accountSid: string, { messageSid, outcome }: AcceptedFeedback): object {
  const date = rfc2822(new Date());
  return {
    account_sid: accountSid,
    date_created: date,
    date_updated: date,
    message_sid: messageSid,
    outcome,
    uri: `/2010-04-01/Accounts/${accountSid}/Messages/${messageSid}/Feedback.json`,
  };
}

/** Returns the error for a request that Twilio would refuse. */
export function faultOfMessage(form: URLSearchParams): Reply | null {
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

/** Returns the error for a call that Twilio would refuse. */
export function faultOfCall(form: URLSearchParams): Reply | null {
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
