import type { HttpProviderConfig, TwilioConfig } from './app-config.js';
import type { Environment } from './environment.js';
import { parseList } from './list.js';
import { CHANNELS, type Channel, type ProviderName } from './route.js';

/** A configured provider and the channels it carries. */
interface ProviderChannels {
  readonly name: ProviderName;
  readonly channels: readonly Channel[];
}

/** The default provider: the one named, or the first one that is configured. */
export function defaultProviderOf(env: Environment): ProviderName {
  const configured = hasTwilioVariables(env) ? 'twilio' : env.HTTP_SENDER_URL ? 'http' : 'inbox';
  return (env.MESSAGE_SENDER ?? configured) as ProviderName;
}

/** The configured providers, the default one first. */
export function providersOf(env: Environment): ProviderChannels[] {
  const first = defaultProviderOf(env);
  if (first === 'inbox') return [{ name: 'inbox', channels: CHANNELS }];
  const http = usesHttp(env) ? [{ name: 'http' as const, channels: httpChannelsOf(env) }] : [];
  const twilio = usesTwilio(env) ? [{ name: 'twilio' as const, channels: twilioChannelsOf(env) }] : [];
  return first === 'http' ? [...http, ...twilio] : [...twilio, ...http];
}

/** The inbox excludes other providers: it keeps test runs from sending real messages. */
export function usesTwilio(env: Environment): boolean {
  const provider = defaultProviderOf(env);
  return provider === 'twilio' || (provider === 'http' && hasTwilioVariables(env));
}

export function toTwilioConfig(env: Environment): TwilioConfig | null {
  if (!usesTwilio(env)) return null;
  const accountSid = env.TWILIO_ACCOUNT_SID as string;
  const tokens = [env.TWILIO_AUTH_TOKEN, env.TWILIO_AUTH_TOKEN_SECONDARY];
  return {
    accountSid,
    username: env.TWILIO_API_KEY ?? accountSid,
    password: (env.TWILIO_API_KEY ? env.TWILIO_API_SECRET : env.TWILIO_AUTH_TOKEN) as string,
    from: env.TWILIO_FROM ?? null,
    messagingServiceSid: env.TWILIO_MESSAGING_SERVICE_SID ?? null,
    whatsapp: env.TWILIO_WHATSAPP_FROM
      ? { from: env.TWILIO_WHATSAPP_FROM, contentSid: env.TWILIO_WHATSAPP_CONTENT_SID ?? null }
      : null,
    callFrom: env.TWILIO_CALL_FROM ?? null,
    feedback: env.TWILIO_FEEDBACK === 'on',
    signingTokens: tokens.filter((token) => token !== undefined),
    apiUrl: env.TWILIO_API_URL?.replace(/\/+$/, '') ?? null,
  };
}

export function toHttpProviderConfig(env: Environment): HttpProviderConfig | null {
  if (!usesHttp(env)) return null;
  return {
    url: env.HTTP_SENDER_URL as string,
    method: env.HTTP_SENDER_METHOD,
    headers: JSON.parse(env.HTTP_SENDER_HEADERS ?? '{}'),
    body: env.HTTP_SENDER_BODY,
    success: env.HTTP_SENDER_SUCCESS ?? null,
    channels: httpChannelsOf(env),
    allowPrivate: env.HTTP_SENDER_ALLOW_PRIVATE === 'on',
  };
}

/** True also where the gateway only serves `FALLBACK`. */
export function usesHttp(env: Environment): boolean {
  return defaultProviderOf(env) !== 'inbox' && Boolean(env.HTTP_SENDER_URL);
}

function httpChannelsOf(env: Environment): Channel[] {
  return parseList(env.HTTP_SENDER_CHANNELS) as Channel[];
}

function twilioChannelsOf(env: Environment): Channel[] {
  const isCarried = {
    sms: true,
    whatsapp: Boolean(env.TWILIO_WHATSAPP_FROM),
    call: Boolean(env.TWILIO_CALL_FROM),
  };
  return CHANNELS.filter((channel) => isCarried[channel]);
}

function hasTwilioVariables(env: Environment): boolean {
  const set = [
    env.TWILIO_ACCOUNT_SID,
    env.TWILIO_AUTH_TOKEN,
    env.TWILIO_API_KEY,
    env.TWILIO_FROM,
    env.TWILIO_MESSAGING_SERVICE_SID,
  ];
  return set.some(Boolean);
}
