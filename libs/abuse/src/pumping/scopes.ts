import { blockOf, type PhoneNumber } from '#phone';
import { type ClientAddress, isApiClient } from '../limits/client-address.js';

/**
 * A scope is a set of messages that is watched for SMS pumping: the messages requested by one address or network, the
 * messages to one number range (10,000 or 100,000 neighbouring numbers) or country, and all messages of the system.
 * Its key is the kind and a value, such as `network:192.0.2.0/24`.
 */
export type ScopeKind =
  | 'address'
  | 'network'
  | 'network_16'
  | 'network_40'
  | 'network_32'
  | 'numbers_10k'
  | 'numbers_100k'
  | 'country'
  | 'system';

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

/** A client of the API has none: its limits are its own, and a block would stop all of its users. */
export function requesterScopesOf(address: ClientAddress): string[] {
  const { client, network, wider } = address;
  if (isApiClient(address)) return [];
  return [
    `address:${client}`,
    `network:${network}`,
    ...wider.map((prefix) => `network_${prefix.slice(prefix.indexOf('/') + 1)}:${prefix}`),
  ];
}

/**
 * Returns the key under which the messages to one number are counted, apart for known devices and for others, so that
 * an unknown device cannot use up the exemption of a known device.
 */
export function laneOf(phoneIndex: string, knownDevice: boolean): string {
  return `${knownDevice ? 'device' : 'number'}_lane:${phoneIndex}`;
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
  return /^(address|network(_\d\d)?):/.test(scope);
}

export function isNumberRange(scope: string): boolean {
  return /^numbers_/.test(scope);
}

/** Returns true for a wide scope. Wide scopes hold too many genuine requesters to be blocked, so they step up. */
export function isWideScope(scope: string): boolean {
  return /^(network_\d\d:|numbers_100k:|country:|system$)/.test(scope);
}

export function countryOf({ numbers }: Pick<Scopes, 'numbers'>): string | undefined {
  return numbers.find((scope) => scopeKindOf(scope) === 'country');
}

/** Returns the network that tells new requesters from others: a /16 of IPv4, a /40 of IPv6. */
export function wideNetworkOf({ requester }: Scopes): string | undefined {
  return requester.find(isWideScope);
}

/** Returns true for the count of the messages to one number. */
export function isLane(scope: string): boolean {
  return /^(number|device)_lane:/.test(scope);
}

/** Returns true if a text has the form of a scope's key. */
export function isScope(text: string): boolean {
  return /^(system|(address|network|network_(?:16|40|32)|numbers_10k|numbers_100k|country):[\w.:+/]{1,64})$/.test(
    text,
  );
}
