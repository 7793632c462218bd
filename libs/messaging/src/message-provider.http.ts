import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import Mustache from 'mustache';
import type { HttpProviderConfig } from '#config';
import { filteredAgent, isForbiddenAddress, retryAfterMs } from '#outbound';
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
  readonly #headers: Headers;
  readonly #success: RegExp;
  readonly #agent: http.Agent;
  readonly #limitMs: number;
  /** Sockets whose connection has been established. */
  readonly #connected = new WeakSet<Socket>();

  /** @param limitMs shorter only in tests. */
  constructor(config: HttpProviderConfig, limitMs = LIMIT_MS) {
    super();
    this.channels = config.channels;
    this.#config = config;
    this.#headers = new Headers(config.headers);
    if (config.method !== 'GET' && !this.#headers.has('Content-Type')) {
      this.#headers.set('Content-Type', 'application/json');
    }
    this.#success = new RegExp(config.success ?? '');
    this.#limitMs = limitMs;
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
    const failure = failureOf(await this.#ask(message), this.#success);
    if (failure) throw failure;
    return { providerId: message.reference, status: 'sent' };
  }

  /** Replaces network errors by our own, because they contain addresses, and Node's contain the request. */
  async #ask(message: Message): Promise<Answer> {
    const signal = AbortSignal.timeout(this.#limitMs);
    const progress = { reached: false };
    try {
      const response = await this.#responseTo(message, signal, progress);
      const text = await textOf(response);
      return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], text };
    } catch (error) {
      throw networkFailureOf(error as NodeJS.ErrnoException, { ...progress, timedOut: signal.aborted });
    }
  }

  async #responseTo(
    message: Message,
    signal: AbortSignal,
    progress: { reached: boolean },
  ): Promise<IncomingMessage> {
    const { url, method, body } = this.#config;
    const isSecure = url.startsWith('https:');
    const request = (isSecure ? https : http).request(render(url, message, encodeURIComponent), {
      method,
      headers: Object.fromEntries(this.#headers),
      agent: this.#agent,
      signal,
    });
    request.once('socket', (socket) => {
      const reach = () => {
        this.#connected.add(socket);
        progress.reached = true;
      };
      if (this.#connected.has(socket)) reach();
      else socket.once(isSecure ? 'secureConnect' : 'connect', reach);
    });
    // `once` stops listening when the response begins, and an error event without a listener ends the process.
    request.on('error', () => {});
    request.end(
      method === 'GET' ? undefined : render(body, message, encodingFor(this.#headers.get('Content-Type'))),
    );
    // With the signal, because an aborted request that waits for a connection emits nothing.
    const [response] = await once(request, 'response', { signal });
    return response;
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

interface Answer {
  readonly status: number;
  readonly retryAfter?: string;
  readonly text: string;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    bytes += chunk.length;
    // Leaving the loop also closes the connection.
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES);
}

function failureOf({ status, retryAfter, text }: Answer, success: RegExp): Error | null {
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

interface Progress {
  /** True when a connection was established: the provider may have read the message. */
  readonly reached: boolean;
  readonly timedOut: boolean;
}

function networkFailureOf(error: NodeJS.ErrnoException, { reached, timedOut }: Progress): Error {
  if (isForbiddenAddress(error)) {
    return new SendRefused({
      code: 'private_address',
      reason: 'provider',
      recovery: 'another_provider',
      means: 'account',
    });
  }
  const reason = timedOut ? 'timeout' : (error.code ?? 'network');
  return reached ? new SendOutcomeUnknown(reason) : new SendDeferred(reason);
}
