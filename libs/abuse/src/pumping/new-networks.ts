import type { Policy } from '../policy.js';
import { decayed } from './decaying-sum.js';
import type { ScopeState } from './scope-state.js';
import { countryOf, type Scopes, wideNetworkOf } from './scopes.js';

const DAY_MS = 86_400_000;

/**
 * Returns the country that counts a message as one of a new network; undefined: the network is not new. A wide network (/16,
 * or /40 of IPv6) is new if none of its messages was verified within a day.
 */
export function newNetworkScopeOf(
  states: { of(scope: string): ScopeState },
  scopes: Scopes,
  now: number,
): string | undefined {
  const network = wideNetworkOf(scopes);
  if (network === undefined || !isNewNetwork(states.of(network), now)) return undefined;
  return countryOf(scopes);
}

/** Counts messages of new networks in a country; a negative number takes back verified ones. */
export function countNewNetwork(policy: Policy, country: ScopeState, messages: number, now: number): void {
  country.newNetworks = { messages: Math.max(0, newNetworksOf(policy, country, now) + messages), at: now };
}

/** Returns true if new networks have so many unanswered messages in a country that they need a proof of work. */
export function needsProofOfNewNetworks(policy: Policy, country: ScopeState, now: number): boolean {
  return newNetworksOf(policy, country, now) >= policy.breaker.country.newNetworkProofFrom;
}

/** Returns the wait until new networks may have one more unanswered message in a country; zero: they may now. */
export function newNetworkWaitMs(policy: Policy, country: ScopeState, now: number): number {
  const messages = newNetworksOf(policy, country, now);
  const most = policy.breaker.country.newNetworkMost;
  if (messages < most) return 0;
  return 1 + Math.log2(messages / most) * policy.breaker.newNetworkHalfLifeSeconds * 1_000;
}

/** Returns true for a network without a verified message in the last day. */
function isNewNetwork({ verifiedAt }: ScopeState, now: number): boolean {
  return now - verifiedAt > DAY_MS;
}

function newNetworksOf({ breaker }: Policy, { newNetworks }: ScopeState, now: number): number {
  return decayed(newNetworks, breaker.newNetworkHalfLifeSeconds, now);
}
