import { CHANNELS, type Channel, type ProviderName } from '#config';
import type { MessageProvider } from './message-provider.js';

/** The configured providers, the default one first. */
export class MessageProviders {
  /** The channels that at least one provider carries. */
  readonly channels: readonly Channel[];

  constructor(readonly all: readonly MessageProvider[]) {
    this.channels = CHANNELS.filter((channel) => this.firstFor(channel) !== undefined);
  }

  carries(channel: Channel): boolean {
    return this.channels.includes(channel);
  }

  /** Returns the default provider of the channel. Check `carries` first. */
  defaultFor(channel: Channel): MessageProvider {
    const provider = this.firstFor(channel);
    if (!provider) throw new Error(`no provider carries ${channel}`);
    return provider;
  }

  /** Returns null for a provider that is no longer configured: messages outlive configurations. */
  named(name: ProviderName): MessageProvider | null {
    return this.all.find((provider) => provider.name === name) ?? null;
  }

  private firstFor(channel: Channel): MessageProvider | undefined {
    return this.all.find(({ channels }) => channels.includes(channel));
  }
}
