import { Agent } from 'node:http';
import twilio from 'twilio';
import type { Channel, TwilioConfig } from '#config';
import { callbackUrlOf } from './delivery-reports.twilio.js';
import { speechOf } from './locales.js';
import {
  type Message,
  MessageProvider,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';
import { retryAfterMs } from './retry-after.js';
import { failureOfAnswer } from './twilio-errors.js';

/** The time limit of a request, from the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 8_000;

/** The SDK's own pool has 20 connections and keeps 5: a burst would wait for connections and TLS handshakes. */
const MAX_CONNECTIONS = 50;

/** The range of Twilio's `ValidityPeriod`, in seconds. */
const VALIDITY = { min: 1, max: 36_000 };

/** Seconds that a phone rings. Twilio may add five, and voicemail usually answers after about 30. */
const RINGING = { min: 5, max: 30 };

/** Seconds that a person waits for the speech at most, when Twilio cannot tell what answered. */
const DETECTION_SECONDS = 8;

/** Errors before a connection was established: the provider has not seen the message. */
const NEVER_REACHED: readonly unknown[] = [
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
];

/** Twilio's Programmable Messaging and Voice. It sends one request per call; the caller retries. */
export class TwilioProvider extends MessageProvider {
  readonly name = 'twilio';
  readonly channels: readonly Channel[];
  // Private by `#`: the SDK's client contains the password and its latest request, and `inspect` shows other fields.
  readonly #client: ReturnType<typeof twilio>;
  private readonly from: { readonly from?: string; readonly messagingServiceSid?: string };
  private readonly whatsapp: TwilioConfig['whatsapp'];
  private readonly callFrom: string | null;
  private readonly feedback: boolean;

  /**
   * @param callbackUrl the address for Twilio's reports (`callbackUrlFor`); null for none.
   * @param limitMs shorter only in tests.
   */
  constructor(
    config: TwilioConfig,
    private readonly callbackUrl: string | null,
    limitMs = LIMIT_MS,
  ) {
    super();
    const { accountSid, username, password, apiUrl } = config;
    this.from = {
      from: config.from ?? undefined,
      messagingServiceSid: config.messagingServiceSid ?? undefined,
    };
    this.whatsapp = config.whatsapp;
    this.callFrom = config.callFrom;
    this.feedback = config.feedback;
    this.channels = channelsOf(config);
    this.#client = twilio(username, password, { accountSid, httpClient: httpClient(limitMs) });
    // The SDK inserts TWILIO_EDGE and TWILIO_REGION into any host, and drops labels of a long host name.
    this.#client.getHostname = (hostname) => hostname;
    if (apiUrl) this.#client.api.baseUrl = apiUrl;
  }

  async send(message: Message): Promise<Receipt> {
    const { sid } = await (message.channel === 'call' ? this.call(message) : this.write(message));
    return { providerId: sid, status: this.callbackUrl === null ? 'sent' : 'accepted' };
  }

  override get wantsConfirmation(): boolean {
    return this.feedback;
  }

  override async confirm(providerId: string): Promise<void> {
    if (!this.feedback || !/^(SM|MM)/.test(providerId)) return;
    await this.#client.messages(providerId).feedback.create({ outcome: 'confirmed' });
  }

  /** Lists the messages of a day before Twilio existed: API keys may do this, and no message is in the answer. */
  override async tryCredentials(): Promise<void> {
    await this.#client.messages.list({ dateSent: new Date(0), limit: 1 });
  }

  private write(message: Message): Promise<{ sid: string }> {
    const { validForSeconds } = message;
    return this.#client.messages.create({
      ...(message.channel === 'whatsapp' ? this.byWhatsApp(message) : this.bySms(message)),
      validityPeriod: clamp(Math.floor(validForSeconds), VALIDITY),
      statusCallback: this.callbackUrlOf(message),
    });
  }

  private bySms({ to, body }: Message) {
    return { ...this.from, to, body, provideFeedback: this.feedback };
  }

  private byWhatsApp({ to, body, code }: Message) {
    const { from, contentSid } = this.whatsapp as NonNullable<TwilioConfig['whatsapp']>;
    const content = contentSid ? { contentSid, contentVariables: JSON.stringify({ 1: code }) } : { body };
    return { to: `whatsapp:${to}`, from: `whatsapp:${from}`, ...content };
  }

  private call(message: Message): Promise<{ sid: string }> {
    const statusCallback = this.callbackUrlOf(message);
    return this.#client.calls.create({
      to: message.to,
      from: this.callFrom as string,
      twiml: spoken(message),
      timeout: clamp(Math.floor(message.validForSeconds), RINGING),
      // The speech starts when it is known what answered, and the last report names it.
      machineDetection: 'Enable',
      machineDetectionTimeout: DETECTION_SECONDS,
      ...(statusCallback && {
        statusCallback,
        statusCallbackMethod: 'POST',
        statusCallbackEvent: ['answered', 'completed'],
      }),
    });
  }

  private callbackUrlOf({ reference }: Message): string | undefined {
    return this.callbackUrl === null ? undefined : callbackUrlOf(this.callbackUrl, reference);
  }
}

function channelsOf({ whatsapp, callFrom }: TwilioConfig): readonly Channel[] {
  return ['sms', ...(whatsapp ? (['whatsapp'] as const) : []), ...(callFrom ? (['call'] as const) : [])];
}

/** Returns TwiML that speaks the message twice, so that the recipient can write the code down. */
function spoken({ body, locale }: Message): string {
  const twiml = new twilio.twiml.VoiceResponse();
  const voice = { language: speechOf(locale) as 'en-US' };
  twiml.say(voice, body);
  twiml.pause({ length: 1 });
  twiml.say(voice, body);
  return twiml.toString();
}

/**
 * Returns the SDK's HTTP client with our errors. The SDK's network errors contain the Authorization header and the
 * message, its other errors quote the response, and none has `Retry-After`. So they are replaced before the SDK sees
 * them, without a cause.
 */
function httpClient(limitMs: number) {
  const pool = {
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS,
    maxFreeSockets: MAX_CONNECTIONS,
    // Also the lifetime of an idle connection. It is far shorter than servers use: a connection that the server closes
    // while a message is sent leaves the outcome of the message unknown.
    timeout: limitMs,
  };
  const client = new twilio.RequestClient({ ...pool, autoRetry: false });
  // The SDK creates a pool for https only.
  client.axios.defaults.httpAgent = new Agent(pool);
  client.axios.interceptors.request.use((request) => {
    // The SDK's own timeout restarts with every byte, and does not run during the wait for a connection.
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
  /** The parsed JSON, or the text of another body. */
  readonly data: unknown;
}

function failureOf({ status, headers, data }: Answer): Error | null {
  const answer = (data ?? {}) as { sid?: unknown; message_sid?: unknown; code?: unknown };
  if (status >= 200 && status < 300) {
    // A feedback resource has no id of its own.
    const sid = answer.sid ?? answer.message_sid;
    return typeof sid === 'string' ? null : new SendOutcomeUnknown('unreadable answer');
  }
  const failure = failureOfAnswer(status, answer.code);
  if ('retry' in failure) {
    const means = status < 500 ? 'throttled' : 'outage';
    return new SendDeferred(failure.retry, retryAfterMs(headers['retry-after']), means);
  }
  return new SendRefused(failure);
}

function networkFailureOf({ code }: { readonly code?: string }): Error {
  if (NEVER_REACHED.includes(code)) return new SendDeferred(String(code));
  const timedOut = code === 'ERR_CANCELED' || code === 'ECONNABORTED';
  return new SendOutcomeUnknown(timedOut ? 'timeout' : (code ?? 'network'));
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(Math.max(value, min), max);
}
