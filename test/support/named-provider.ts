import type { Channel, ProviderName } from '#config';
import { MessageProvider, type Receipt } from '#messaging';

/** A provider that accepts every message and sends none. */
export class NamedProvider extends MessageProvider {
  constructor(
    readonly name: ProviderName,
    readonly channels: readonly Channel[],
  ) {
    super();
  }

  async send(): Promise<Receipt> {
    return { providerId: this.name, status: 'sent' };
  }
}
