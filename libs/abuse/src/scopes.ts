import { blockOf, type PhoneNumber } from '#phone';
import type { Scopes } from './breaker.js';
import type { ClientAddress } from './client-address.js';

/** The scopes that a message counts in, besides the whole system. */
export function scopesOf(address: ClientAddress, phoneNumber: PhoneNumber, country: string): Scopes {
  return {
    sender: [`address:${address.client}`, `network:${address.network}`],
    numbers: [
      `numbers_10k:${blockOf(phoneNumber, 4)}`,
      `numbers_100k:${blockOf(phoneNumber, 5)}`,
      `country:${country}`,
    ],
  };
}
