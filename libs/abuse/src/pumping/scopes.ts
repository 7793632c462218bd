import { blockOf, type PhoneNumber } from '#phone';
import type { ClientAddress } from '../limits/client-address.js';

/**
 * A scope is a set of messages that is watched for SMS pumping: the messages requested by one address or network, the
 * messages to one number range (10,000 or 100,000 neighbouring numbers) or country, and all messages of the system.
 * Its key is the kind and a value, such as `network:192.0.2.0/24`.
 */
export type ScopeKind = 'address' | 'network' | 'numbers_10k' | 'numbers_100k' | 'country' | 'system';

/** The scopes of one message except for the whole system: two chains of keys, each from narrow to wide. */
export interface Scopes {
  readonly requester: readonly string[];
  readonly numbers: readonly string[];
}

export const SYSTEM = 'system';

export function scopesOf(address: ClientAddress, phoneNumber: PhoneNumber, country: string): Scopes {
  return {
    requester: requesterScopesOf(address),
    numbers: [
      `numbers_10k:${blockOf(phoneNumber, 4)}`,
      `numbers_100k:${blockOf(phoneNumber, 5)}`,
      `country:${country}`,
    ],
  };
}

export function requesterScopesOf({ client, network }: ClientAddress): string[] {
  return [`address:${client}`, `network:${network}`];
}

/** Returns all scopes of a message, the system included, in the order in which they are blamed for losses. */
export function allScopesOf({ requester, numbers }: Scopes): string[] {
  return [...requester, ...numbers, SYSTEM];
}

export function scopeKindOf(scope: string): ScopeKind {
  const end = scope.indexOf(':');
  return (end < 0 ? scope : scope.slice(0, end)) as ScopeKind;
}

export function isRequesterScope(scope: string): boolean {
  return /^(address|network):/.test(scope);
}

export function isNumberRange(scope: string): boolean {
  return /^numbers_/.test(scope);
}

/** Returns true if a text has the form of a scope's key. */
export function isScope(text: string): boolean {
  return /^(system|(address|network|numbers_10k|numbers_100k|country):[\w.:+/]{1,64})$/.test(text);
}
