import type RequestClient from 'twilio/lib/base/RequestClient.js';
import type Twilio from 'twilio/lib/rest/Twilio.js';
import type { Channel, TwilioConfig } from '#config';
import { callbackUrlOf } from './delivery-reports.twilio.js';
import { speechOf } from './locales.js';
import { type Message, MessageProvider, type Receipt } from './message-provider.js';
import { TwilioHttpClient } from './twilio-http-client.twilio.js';

/** The time limit of a request, from the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 8_000;

/** The range of Twilio's `ValidityPeriod`, in seconds. */
const VALIDITY = { min: 1, max: 36_000 };

/** Seconds that a phone rings. Twilio may add five, and voicemail usually answers after about 30. */
const RINGING = { min: 5, max: 30 };

/** Seconds that a person waits for the speech at most, when Twilio cannot tell what answered. */
const DETECTION_SECONDS = 8;

/** Twilio's Programmable Messaging and Voice. It sends one request per call; the caller retries. */
export class TwilioProvider extends MessageProvider {
  readonly name = 'twilio';
  readonly channels: readonly Channel[];
  // Private by `#`: they contain the password, and `inspect` shows other fields.
  readonly #config: TwilioConfig;
  readonly #http: TwilioHttpClient;
  #loadedClient: Promise<Twilio> | null = null;
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
    this.from = {
      from: config.from ?? undefined,
      messagingServiceSid: config.messagingServiceSid ?? undefined,
    };
    this.whatsapp = config.whatsapp;
    this.callFrom = config.callFrom;
    this.feedback = config.feedback;
    this.channels = channelsOf(config);
    this.#config = config;
    this.#http = new TwilioHttpClient(limitMs);
  }

  /** The SDK, which is loaded at the first use: it has a hundred files, and axios among them. */
  get #client(): Promise<Twilio> {
    this.#loadedClient ??= clientFor(this.#config, this.#http);
    return this.#loadedClient;
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
    const client = await this.#client;
    await client.messages(providerId).feedback.create({ outcome: 'confirmed' });
  }

  /** Lists the messages of a day before Twilio existed: API keys may do this, and no message is in the answer. */
  override async tryCredentials(): Promise<void> {
    const client = await this.#client;
    await client.messages.list({ dateSent: new Date(0), limit: 1 });
  }

  private async write(message: Message): Promise<{ sid: string }> {
    const { validForSeconds } = message;
    const client = await this.#client;
    return client.messages.create({
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

  private async call(message: Message): Promise<{ sid: string }> {
    const statusCallback = this.callbackUrlOf(message);
    const client = await this.#client;
    return client.calls.create({
      to: message.to,
      from: this.callFrom as string,
      twiml: await spoken(message),
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
async function spoken({ body, locale }: Message): Promise<string> {
  const { default: VoiceResponse } = await import('twilio/lib/twiml/VoiceResponse.js');
  const twiml = new VoiceResponse();
  const voice = { language: speechOf(locale) as 'en-US' };
  twiml.say(voice, body);
  twiml.pause({ length: 1 });
  twiml.say(voice, body);
  return twiml.toString();
}

async function clientFor(
  { accountSid, username, password, apiUrl }: TwilioConfig,
  httpClient: TwilioHttpClient,
): Promise<Twilio> {
  const { default: TwilioClient } = await import('twilio/lib/rest/Twilio.js');
  // The type names axios, but the SDK calls only `request`.
  const options = { accountSid, httpClient: httpClient as unknown as RequestClient };
  const client = new TwilioClient(username, password, options);
  // The SDK inserts TWILIO_EDGE and TWILIO_REGION into any host, and drops labels of a long host name.
  client.getHostname = (hostname) => hostname;
  if (apiUrl) client.api.baseUrl = apiUrl;
  return client;
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(Math.max(value, min), max);
}
