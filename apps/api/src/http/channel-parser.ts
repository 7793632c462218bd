import type { Channel } from '#config';
import { InvalidRequest } from '#errors';
import { MessageProviders } from '#messaging';
import { isReachableBy, kindOfNumber, type PhoneNumber } from '#phone';

/** Parses the `channel` of a request. Only channels that a configured provider carries are valid. */
export class ChannelParser {
  /** @param alternatives the channels to choose from for a number that the first channel does not reach. */
  constructor(
    private readonly providers: MessageProviders,
    private readonly alternatives: readonly Channel[],
  ) {}

  /**
   * Returns the channel of a first message: if none is given, the first configured one, or an alternative that reaches
   * the number.
   *
   * @throws InvalidRequest that points at `channel` in the body.
   */
  parse(phoneNumber: PhoneNumber, channel?: Channel | null): Channel {
    if (channel) return this.require(channel);
    const { line } = kindOfNumber(phoneNumber);
    const first = this.providers.channels[0] as Channel;
    return [first, ...this.alternatives].find((each) => isReachableBy(each, line)) ?? first;
  }

  /**
   * Returns the channel if a configured provider carries it.
   *
   * @throws InvalidRequest that points at `channel` in the body.
   */
  require(channel: Channel): Channel {
    const { channels } = this.providers;
    if (channels.includes(channel)) return channel;
    const detail = `must be one of ${channels.join(', ')}: no other channel is configured on this server`;
    throw new InvalidRequest('the channel is not available', [{ pointer: '/channel', detail }]);
  }
}
