import { Agent } from 'node:http';
import twilio from 'twilio';
import type { TwilioConfig } from '#config';
import {
  type Message,
  MessageSender,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';

/** From the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 8_000;

/** The SDK's own pool has 20, of which it keeps 5: a burst would queue for its connections and its handshakes. */
const MAX_CONNECTIONS = 50;

/** Seconds: Twilio takes no other `ValidityPeriod`. */
const VALIDITY = { min: 1, max: 36_000 };

/** Too many requests, a full queue, an unknown fault: they pass by themselves, whatever the HTTP status. */
const PASSING_CODES: readonly unknown[] = [20429, 30001, 30008];

/** No connection came about, so nobody has seen the message. */
const NEVER_REACHED: readonly unknown[] = [
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
];

/** Twilio's Programmable Messaging, asked once for each message: trying again is the caller's. */
export class TwilioSender extends MessageSender {
  // Hard-private: the SDK's client holds the password and its latest request, and `inspect` shows other fields.
  readonly #client: ReturnType<typeof twilio>;
  private readonly sender: { readonly from?: string; readonly messagingServiceSid?: string };

  /** @param limitMs shorter only in tests. */
  constructor(config: TwilioConfig, limitMs = LIMIT_MS) {
    super();
    const { accountSid, username, password, apiUrl } = config;
    this.sender = {
      from: config.from ?? undefined,
      messagingServiceSid: config.messagingServiceSid ?? undefined,
    };
    this.#client = twilio(username, password, { accountSid, httpClient: httpClient(limitMs) });
    // The SDK writes TWILIO_EDGE and TWILIO_REGION into any host, and drops labels of a host that has many.
    this.#client.getHostname = (hostname) => hostname;
    if (apiUrl) this.#client.api.baseUrl = apiUrl;
  }

  async send({ to, body, validForSeconds }: Message): Promise<Receipt> {
    const validityPeriod = clamp(Math.floor(validForSeconds), VALIDITY);
    const { sid } = await this.#client.messages.create({ ...this.sender, to, body, validityPeriod });
    return { providerId: sid };
  }
}

/**
 * The SDK's HTTP client with errors of ours. The SDK's network errors hold the Authorization header and the
 * message, its others quote the answer, and none of them says what `Retry-After` was: so they end here,
 * before the SDK makes them, and nothing of them is kept as a cause.
 */
function httpClient(limitMs: number) {
  const pool = {
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS,
    maxFreeSockets: MAX_CONNECTIONS,
    // Also how long an idle connection is kept: far shorter than servers do, since one that the server is just
    // closing would leave the next message's fate unknown.
    timeout: limitMs,
  };
  const client = new twilio.RequestClient({ ...pool, autoRetry: false });
  // The SDK makes a pool for https only.
  client.axios.defaults.httpAgent = new Agent(pool);
  client.axios.interceptors.request.use((request) => {
    // The SDK's own timeout starts anew with every byte that arrives, and not while a connection is waited for.
    request.signal = AbortSignal.timeout(limitMs);
    return request;
  });
  client.axios.interceptors.response.use(
    (response) => {
      const failure = failureOf(response);
      if (failure) throw failure;
      return response;
    },
    (error) => {
      throw networkFailureOf(error);
    },
  );
  return client;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Parsed if it was JSON, else the text. */
  readonly data: unknown;
}

function failureOf({ status, headers, data }: Answer): Error | null {
  const { sid, code } = (data ?? {}) as { sid?: unknown; code?: unknown };
  if (status >= 200 && status < 300) {
    return typeof sid === 'string' ? null : new SendOutcomeUnknown('unreadable answer');
  }
  const reason = Number.isInteger(code) ? String(code) : `http_${status}`;
  if (status === 429 || status >= 500 || PASSING_CODES.includes(code)) {
    return new SendDeferred(reason, retryAfterMs(headers['retry-after']));
  }
  return new SendRefused(reason);
}

function networkFailureOf({ code }: { readonly code?: string }): Error {
  if (NEVER_REACHED.includes(code)) return new SendDeferred(String(code));
  const timedOut = code === 'ERR_CANCELED' || code === 'ECONNABORTED';
  return new SendOutcomeUnknown(timedOut ? 'timeout' : (code ?? 'network'));
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(Math.max(value, min), max);
}
