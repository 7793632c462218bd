import { blockOf, type PhoneNumber } from '#phone';
import type { Scopes } from './breaker.js';
import type { ClientAddress } from './client-address.js';

/** The scopes that a message counts in, besides the whole system. */
export function scopesOf(address: ClientAddress, phoneNumber: PhoneNumber, country: string): Scopes {
  return {
    sender: senderScopesOf(address),
    numbers: [
      `numbers_10k:${blockOf(phoneNumber, 4)}`,
      `numbers_100k:${blockOf(phoneNumber, 5)}`,
      `country:${country}`,
    ],
  };
}

export function senderScopesOf({ client, network }: ClientAddress): string[] {
  return [`address:${client}`, `network:${network}`];
}

/** Whether the text has a scope's form; anything else names none. */
export function isScope(text: string): boolean {
  return /^(system|(address|network|numbers_10k|numbers_100k|country):[\w.:+/]{1,64})$/.test(text);
}
