import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type RequestClient from 'twilio/lib/base/RequestClient.js';
import { type Answer, ExchangeFailed, exchange, retryAfterMs } from '#outbound';
import { MAX_CONNECTIONS } from './max-connections.js';
import { SendDeferred, SendOutcomeUnknown, SendRefused } from './message-provider.js';
import { failureOfAnswer } from './twilio-errors.js';

/** A message has two kilobytes, and a list is never longer than one message. */
const MAX_ANSWER_BYTES = 65_536;

type Request = RequestClient.RequestOptions;

/** The parts of an answer that the SDK reads. */
interface Reply {
  readonly statusCode: number;
  readonly headers: Answer['headers'];
  readonly body: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The HTTP client of Twilio's SDK, over Node's. The SDK's own costs four times the CPU, keeps the latest request with the
 * credentials and the message, and its errors contain both. This one keeps nothing and throws the errors of a provider.
 */
export class TwilioHttpClient {
  private readonly http: HttpAgent;
  private readonly https: HttpsAgent;

  /** @param limitMs the time limit of a request, from the wait for a connection to the last byte of the answer. */
  constructor(private readonly limitMs: number) {
    const pool = {
      keepAlive: true,
      // The SDK's own pool has 20 connections and keeps 5: a burst would wait for connections and TLS handshakes.
      maxSockets: MAX_CONNECTIONS,
      maxFreeSockets: MAX_CONNECTIONS,
      // Also the lifetime of an idle connection. It is far shorter than servers use: a connection that the server closes
      // while a message is sent leaves the outcome of the message unknown.
      timeout: limitMs,
    };
    this.http = new HttpAgent(pool);
    this.https = new HttpsAgent(pool);
  }

  /**
   * @throws SendRefused, SendDeferred or SendOutcomeUnknown, also for answers that the SDK would quote in its errors.
   */
  async request({ method, uri, username, password, headers, params, data }: Request): Promise<Reply> {
    const body = data && formOf(data as Fields);
    const question = {
      method: method.toUpperCase(),
      url: params ? `${uri}?${formOf(params as Fields)}` : uri,
      headers: {
        ...(headers as Record<string, string>),
        authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
        ...(body && { 'content-length': String(Buffer.byteLength(body)) }),
      },
      body,
    };
    const limits = { timeMs: this.limitMs, answerBytes: MAX_ANSWER_BYTES };
    const agent = uri.startsWith('https:') ? this.https : this.http;
    const answer = await exchange(question, agent, limits).catch(throwNetworkFailure);
    return replyOf(answer);
  }
}

/** Fields of a form. An absent field is left out, and a list repeats its field. */
function formOf(fields: Fields): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== undefined) form.append(name, String(item));
  return form.toString();
}

/** A connection that was never established has brought Twilio no message. */
function throwNetworkFailure(error: unknown): never {
  if (!(error instanceof ExchangeFailed)) throw error;
  throw error.reached ? new SendOutcomeUnknown(error.reason) : new SendDeferred(error.reason);
}

function replyOf({ status, headers, text }: Answer): Reply {
  const body = jsonOf(text);
  // A feedback resource has no id of its own, and a list of messages none either.
  const { sid, message_sid, messages, code } = (body ?? {}) as Fields;
  if (status >= 200 && status < 300) {
    if (typeof (sid ?? message_sid) === 'string' || Array.isArray(messages))
      return { statusCode: status, headers, body };
    throw new SendOutcomeUnknown('unreadable answer');
  }
  const failure = failureOfAnswer(status, code);
  if (!('retry' in failure)) throw new SendRefused(failure);
  const means = status < 500 ? 'throttled' : 'outage';
  throw new SendDeferred(failure.retry, retryAfterMs(headers['retry-after']), means);
}

/** Returns null for anything but JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
