import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import Mustache from 'mustache';
import { useAgent } from 'request-filtering-agent';
import type { HttpSenderConfig } from '#config';
import {
  type Message,
  MessageSender,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';
import { retryAfterMs } from './retry-after.js';

/** From the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 8_000;

const MAX_CONNECTIONS = 50;

/** What is read of an answer: enough for any that says yes or no. */
const MAX_ANSWER_BYTES = 65_536;

/** Azure's metadata server: a public address that only a machine in Azure's network reaches. */
const METADATA_ADDRESSES = ['168.63.129.16'];

/**
 * Any provider or gateway that takes a message by one HTTP request, asked once for each message: trying again is
 * the caller's.
 */
export class HttpSender extends MessageSender {
  readonly name = 'http';
  readonly channels: HttpSenderConfig['channels'];
  // Hard-private: address, headers and body may hold credentials, and `inspect` shows other fields.
  readonly #config: HttpSenderConfig;
  readonly #headers: Headers;
  readonly #success: RegExp;
  readonly #agent: http.Agent;
  readonly #limitMs: number;
  /** Those that the provider can be heard on. */
  readonly #connected = new WeakSet<Socket>();

  /** @param limitMs shorter only in tests. */
  constructor(config: HttpSenderConfig, limitMs = LIMIT_MS) {
    super();
    this.channels = config.channels;
    this.#config = config;
    this.#headers = new Headers(config.headers);
    if (config.method !== 'GET' && !this.#headers.has('Content-Type')) {
      this.#headers.set('Content-Type', 'application/json');
    }
    this.#success = new RegExp(config.success ?? '');
    this.#limitMs = limitMs;
    this.#agent = useAgent(config.url, {
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      maxFreeSockets: MAX_CONNECTIONS,
      // Also how long an idle connection is kept: far shorter than servers do, since one that the server is just
      // closing would leave the next message's fate unknown.
      timeout: limitMs,
      // Looks at the address that is connected to, so that no name can change its mind in between.
      allowPrivateIPAddress: config.allowPrivate,
      allowMetaIPAddress: config.allowPrivate,
      denyIPAddressList: config.allowPrivate ? [] : METADATA_ADDRESSES,
    });
  }

  async send(message: Message): Promise<Receipt> {
    const failure = failureOf(await this.#ask(message), this.#success);
    if (failure) throw failure;
    return { providerId: message.reference, status: 'sent' };
  }

  /** Errors of the network hold addresses, and those of node the request: they end here, with nothing kept of them. */
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
    // `once` stops listening when the answer begins, and an error that nobody hears ends the process.
    request.on('error', () => {});
    request.end(
      method === 'GET' ? undefined : render(body, message, encodingFor(this.#headers.get('Content-Type'))),
    );
    // With the signal: a request that waits for a connection says nothing when it is given up.
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
  // Half a surrogate pair has no encoding in an address.
  return Mustache.render(template, view, {}, { escape: (value: string) => encode(value.toWellFormed()) });
}

/** How a text becomes part of a body; as it is where no notation is known. */
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
    // Leaving the loop also closes the connection, so nobody reads what is left.
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ANSWER_BYTES);
}

function failureOf({ status, retryAfter, text }: Answer, success: RegExp): Error | null {
  const code = `http_${status}`;
  if (status >= 200 && status < 300) {
    return success.test(text)
      ? null
      : new SendRefused({ code: 'no_success', reason: 'provider', cure: 'another_route' });
  }
  if (status === 429) return new SendDeferred(code, retryAfterMs(retryAfter), 'throttled');
  if (status === 408 || status >= 500) return new SendDeferred(code, retryAfterMs(retryAfter));
  if (status === 401) {
    return new SendRefused({ code, reason: 'provider', cure: 'another_sender', means: 'outage' });
  }
  // Many gateways say so of a country or a number: whoever asks for such a one must not stop everybody's messages.
  if (status === 403) {
    return new SendRefused({ code, reason: 'provider', cure: 'another_route', means: 'account' });
  }
  return new SendRefused({ code, reason: 'provider', cure: 'another_route' });
}

interface Progress {
  /** Whether there was a connection, so that the provider may have read the message. */
  readonly reached: boolean;
  readonly timedOut: boolean;
}

function networkFailureOf(error: NodeJS.ErrnoException, { reached, timedOut }: Progress): Error {
  if (isForbiddenAddress(error)) {
    return new SendRefused({
      code: 'private_address',
      reason: 'provider',
      cure: 'another_sender',
      means: 'account',
    });
  }
  const reason = timedOut ? 'timeout' : (error.code ?? 'network');
  return reached ? new SendOutcomeUnknown(reason) : new SendDeferred(reason);
}

/** The agent's refusal has no code of its own. */
function isForbiddenAddress({ message }: Error): boolean {
  return /^DNS lookup .* is not allowed/.test(message);
}
