/** The channels a code can be sent by. */
export const CHANNELS = ['sms', 'whatsapp', 'call'] as const;
export type Channel = (typeof CHANNELS)[number];

/** The message providers by the names that `MESSAGE_SENDER` and `FALLBACK` use. */
export const PROVIDERS = ['twilio', 'http', 'inbox'] as const;
export type ProviderName = (typeof PROVIDERS)[number];

/** The path of one message: a channel, and the provider that carries it. */
export interface Route {
  readonly channel: Channel;
  readonly provider: ProviderName;
}
