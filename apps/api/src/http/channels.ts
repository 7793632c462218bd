import { InvalidRequest } from '#errors';
import type { Channel } from '#messaging';

/** Reads the channels of requests: those that somebody carries for this server. */
export class Channels {
  /** @param carried the usual one first. */
  constructor(private readonly carried: readonly Channel[]) {}

  /**
   * @param channel the usual one if it is not given.
   * @throws InvalidRequest that points at the body's `channel`.
   */
  read(channel?: Channel | null): Channel {
    const [usual] = this.carried as [Channel];
    if (!channel) return usual;
    if (this.carried.includes(channel)) return channel;
    const detail = `must be one of ${this.carried.join(', ')}: others are not configured here`;
    throw new InvalidRequest('the channel is not available', [{ pointer: '/channel', detail }]);
  }
}
