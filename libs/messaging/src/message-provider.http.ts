import type { Agent } from 'node:http';
import Mustache from 'mustache';
import type { HttpProviderConfig } from '#config';
import {
  type Answer,
  ExchangeFailed,
  type ExchangeLimits,
  exchange,
  filteredAgent,
  PRIVATE_ADDRESS,
  type Question,
  retryAfterMs,
} from '#outbound';
import { MAX_CONNECTIONS } from './max-connections.js';
import {
  type Message,
  MessageProvider,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';

/** The time limit of a request, from the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 8_000;

/** The part of a response that is read: enough to match it against `HTTP_SENDER_SUCCESS`. */
const MAX_ANSWER_BYTES = 65_536;

/** Any gateway that accepts a message by one HTTP request. It sends one request per call; the caller retries. */
export class HttpProvider extends MessageProvider {
  readonly name = 'http';
  readonly channels: HttpProviderConfig['channels'];
  // Private by `#`: address, headers and body may contain credentials, and `inspect` shows other fields.
  readonly #config: HttpProviderConfig;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #encodeInBody: Encode;
  readonly #success: RegExp;
  readonly #agent: Agent;
  readonly #limits: ExchangeLimits;

  /** @param limitMs shorter only in tests. */
  constructor(config: HttpProviderConfig, limitMs = LIMIT_MS) {
    super();
    this.channels = config.channels;
    this.#config = config;
    const headers = new Headers(config.headers);
    if (config.method !== 'GET' && !headers.has('Content-Type'))
      headers.set('Content-Type', 'application/json');
    this.#headers = Object.fromEntries(headers);
    this.#encodeInBody = encodingFor(headers.get('Content-Type'));
    this.#success = new RegExp(config.success ?? '');
    this.#limits = { timeMs: limitMs, answerBytes: MAX_ANSWER_BYTES };
    this.#agent = filteredAgent(config.url, {
      allowPrivate: config.allowPrivate,
      maxSockets: MAX_CONNECTIONS,
      // A connection that the server closes while a message is sent leaves the outcome of the message unknown.
      idleMs: limitMs,
    });
  }

  override get sendsText(): boolean {
    const { url, body } = this.#config;
    return `${url}${body}`.includes('{{body}}');
  }

  async send(message: Message): Promise<Receipt> {
    const answer = await exchange(this.#questionFor(message), this.#agent, this.#limits).catch(
      throwNetworkFailure,
    );
    const failure = failureOf(answer, this.#success);
    if (failure) throw failure;
    return { providerId: message.reference, status: 'sent' };
  }

  #questionFor(message: Message): Question {
    const { url, method, body } = this.#config;
    return {
      method,
      url: render(url, message, encodeURIComponent),
      headers: this.#headers,
      ...(method !== 'GET' && { body: render(body, message, this.#encodeInBody) }),
    };
  }
}

type Encode = (text: string) => string;

function render(template: string, message: Message, encode: Encode): string {
  const { to, body, code, channel, locale, reference } = message;
  const validForSeconds = String(Math.max(1, Math.floor(message.validForSeconds)));
  const msisdn = to.slice(1);
  const view = { to, msisdn, body, code, channel, locale, reference, validForSeconds };
  // Half a surrogate pair cannot be encoded in a URL.
  return Mustache.render(template, view, {}, { escape: (value: string) => encode(value.toWellFormed()) });
}

/** Returns the escaping for values in a body of this type; none for an unknown type. */
function encodingFor(contentType: string | null): Encode {
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (/[/+]json$/.test(type)) return (text) => JSON.stringify(text).slice(1, -1);
  if (/[/+]xml$/.test(type))
    return (text) => text.replace(/[&<>"'\r\n\t]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return type === 'application/x-www-form-urlencoded' ? encodeURIComponent : (text) => text;
}

function failureOf({ status, headers, text }: Answer, success: RegExp): Error | null {
  const retryAfter = headers['retry-after'];
  const code = `http_${status}`;
  if (status >= 200 && status < 300) {
    return success.test(text)
      ? null
      : new SendRefused({ code: 'no_success', reason: 'provider', recovery: 'another_route' });
  }
  if (status === 429) return new SendDeferred(code, retryAfterMs(retryAfter), 'throttled');
  if (status === 408 || status >= 500) return new SendDeferred(code, retryAfterMs(retryAfter));
  if (status === 401) {
    return new SendRefused({ code, reason: 'provider', recovery: 'another_provider', means: 'outage' });
  }
  // Many gateways answer 403 for one country or number. A request for such a number must not stop all messages.
  if (status === 403) {
    return new SendRefused({ code, reason: 'provider', recovery: 'another_route', means: 'account' });
  }
  return new SendRefused({ code, reason: 'provider', recovery: 'another_route' });
}

/** A connection that was never established has brought the gateway no message. */
function throwNetworkFailure(error: unknown): never {
  if (!(error instanceof ExchangeFailed)) throw error;
  const { reason, reached } = error;
  if (reason === PRIVATE_ADDRESS) {
    throw new SendRefused({
      code: reason,
      reason: 'provider',
      recovery: 'another_provider',
      means: 'account',
    });
  }
  throw reached ? new SendOutcomeUnknown(reason) : new SendDeferred(reason);
}
