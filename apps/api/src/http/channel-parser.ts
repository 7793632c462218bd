import { Injectable } from '@nestjs/common';
import type { Channel } from '#config';
import { InvalidRequest } from '#errors';
import { MessageProviders } from '#messaging';

/** Parses the `channel` of a request. Only channels that a configured provider carries are valid. */
@Injectable()
export class ChannelParser {
  constructor(private readonly providers: MessageProviders) {}

  /**
   * Returns the first configured channel if none is given.
   *
   * @throws InvalidRequest that points at `channel` in the body.
   */
  parse(channel?: Channel | null): Channel {
    const { channels } = this.providers;
    if (!channel) return channels[0] as Channel;
    if (channels.includes(channel)) return channel;
    const detail = `must be one of ${channels.join(', ')}: no other channel is configured on this server`;
    throw new InvalidRequest('the channel is not available', [{ pointer: '/channel', detail }]);
  }
}
