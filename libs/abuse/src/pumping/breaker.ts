import type { Policy } from '../policy.js';
import {
  addUnverified,
  type BreakerEvent,
  countCrowded,
  countUnsettled,
  countVain,
  countVerified,
  countVolume,
  crowdingOf,
  hasLostTooMuch,
  isProbeDue,
  refundLosses,
  release,
  scheduleNextProbe,
  settle,
  takeBack,
  trip,
  unverifiedWeight,
  verifiedWeight,
} from './scope-state.js';
import { allScopesOf, isNumberRange, laneOf, type Scopes, SYSTEM, scopeKindOf } from './scopes.js';
import {
  type Exemptions,
  exemptionsOf,
  judge,
  type MessageRequest,
  type ScopeStates,
  type Verdict,
} from './verdict.js';

export type { MessageRequest, ScopeStates, Verdict } from './verdict.js';

/**
 * The circuit breaker against SMS pumping, a fraud in which messages are requested to numbers that earn the fraudster
 * money. The breaker decides on each message by the states of its scopes, and updates them. A scope that trips blocks
 * its messages or steps them up (requires a proof of work) until its block ends.
 *
 * All functions depend on their arguments only and change nothing but the given states. Times are milliseconds since
 * 1970.
 */

/** An admitted message. It is needed again when its code is typed in. */
export interface Admitted {
  readonly at: number;
  readonly scopes: readonly string[];
  /** The blocked scopes for which this message is the half-open probe. */
  readonly probes: readonly string[];
  /** The share by which the message counted as crowded in its country. Absent in tickets of older versions. */
  readonly crowding?: number;
}

/** Decides on one message without counting it. Only a proof that was solved in vain counts. */
export function assess(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  now: number,
): { verdict: Verdict; events: BreakerEvent[]; changed: boolean } {
  const { verdict, events } = decide(policy, states, request, now);
  const isVain = countIfVain(policy, states, request, verdict, now);
  return { verdict, events, changed: isVain || events.length > 0 };
}

/**
 * Decides on one message, and counts it as unsettled if it may be sent.
 *
 * @param enforced false (monitor mode): the message is sent and counted whatever the verdict.
 */
export function admit(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  now: number,
  enforced = true,
): { verdict: Verdict; admitted: Admitted; events: BreakerEvent[] } {
  const { verdict, exemptions, events } = decide(policy, states, request, now);
  const scopes = countedScopesOf(request, exemptions);
  const probes = scopes.filter((scope) => isProbeDue(states.of(scope), now));
  const admitted = { at: now, scopes, probes, crowding: crowdingIn(policy, states, scopes, now) };
  if (verdict.outcome === 'send' || !enforced) count(policy, states, admitted, now);
  else countIfVain(policy, states, request, verdict, now);
  return { verdict, admitted, events };
}

function decide(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  now: number,
): { verdict: Verdict; exemptions: Exemptions; events: BreakerEvent[] } {
  const events = [
    ...decidedScopesOf(request).flatMap((scope) => settle(policy, scope, states.of(scope), now)),
    ...tripScopes(policy, states, request.scopes, now),
  ];
  const exemptions = exemptionsOf(policy, states, request);
  return { verdict: judge(policy, states, request, exemptions, now), exemptions, events };
}

/** Counts a proof that was solved for a range without room against its requester. Returns true if it was one. */
function countIfVain(
  policy: Policy,
  states: ScopeStates,
  { proven, scopes }: MessageRequest,
  verdict: Verdict,
  now: number,
): boolean {
  const isVain = verdict.outcome === 'suspend' && proven && isNumberRange(verdict.scope);
  if (isVain) for (const scope of scopes.requester) countVain(policy, states.of(scope), now);
  return isVain;
}

/** Takes back a message that was admitted but not sent. */
export function withdraw(
  policy: Policy,
  states: ScopeStates,
  message: Admitted,
  now: number,
): BreakerEvent[] {
  const country = message.scopes.find((scope) => scopeKindOf(scope) === 'country');
  if (country && message.crowding) countCrowded(policy, states.of(country), -message.crowding, now);
  return message.scopes.flatMap((scope) => {
    const state = states.of(scope);
    const events = settle(policy, scope, state, now);
    takeBack(policy, state, message.at);
    return events;
  });
}

/** Records that the code of a message was typed in, in time or late. A verified probe releases its scope. */
export function recordVerified(
  policy: Policy,
  states: ScopeStates,
  message: Admitted,
  now: number,
): BreakerEvent[] {
  const country = message.scopes.find((scope) => scopeKindOf(scope) === 'country');
  if (country && message.crowding) {
    const weight = 1 + verifiedWeight(policy) / unverifiedWeight(policy);
    countCrowded(policy, states.of(country), -message.crowding * weight, now);
  }
  if (message.scopes.includes(SYSTEM)) countVolume(states.of(SYSTEM), now);
  return message.scopes.flatMap((scope) => {
    const state = states.of(scope);
    const events = settle(policy, scope, state, now);
    countVerified(policy, state, message.at, now);
    const isOfCurrentBlock = state.hold !== null && state.hold.since <= message.at;
    if (isOfCurrentBlock && message.probes.includes(scope)) events.push(...release(scope, state));
    return events;
  });
}

/**
 * Records that the provider reported a message as fraud. The report counts as several unverified messages. Whether a
 * scope trips is decided with its next message.
 */
export function recordFraud(
  policy: Policy,
  states: ScopeStates,
  message: Admitted,
  now: number,
): BreakerEvent[] {
  return message.scopes.flatMap((scope) => {
    const state = states.of(scope);
    const events = settle(policy, scope, state, now);
    addUnverified(policy, state, policy.breaker.fraudSignalMessages);
    return events;
  });
}

/** Returns the scopes whose states a decision reads and writes, the lane of the number included. */
export function decidedScopesOf({ scopes, phoneIndex, knownNumber, knownDevice }: MessageRequest): string[] {
  const all = allScopesOf(scopes);
  return knownNumber || knownDevice ? [...all, laneOf(phoneIndex, knownDevice)] : all;
}

/**
 * Trips the scopes that have lost too much. The narrowest scope takes the blame, and a share of its losses is refunded
 * to the wider ones: otherwise an attack on five number ranges would trip the whole country. The rest remains, because
 * an attack that walks from one range to the next is the country's.
 */
function tripScopes(
  policy: Policy,
  states: ScopeStates,
  { requester, numbers }: Scopes,
  now: number,
): BreakerEvent[] {
  return [requester, numbers].flatMap((chain) => {
    const fromNarrowToWide = [...chain, SYSTEM];
    return fromNarrowToWide.flatMap((scope, i) => {
      const state = states.of(scope);
      if (!hasLostTooMuch(policy, scope, state, now)) return [];
      for (const wider of fromNarrowToWide.slice(i + 1)) refundLosses(policy, states.of(wider), state);
      return [trip(policy, scope, state, now)];
    });
  });
}

function count(policy: Policy, states: ScopeStates, message: Admitted, now: number): void {
  for (const scope of message.scopes) {
    const state = states.of(scope);
    countUnsettled(state, now);
    if (message.crowding && scopeKindOf(scope) === 'country')
      countCrowded(policy, state, message.crowding, now);
  }
  for (const scope of message.probes) scheduleNextProbe(policy, states.of(scope), now);
}

function crowdingIn(policy: Policy, states: ScopeStates, scopes: readonly string[], now: number): number {
  const range = scopes.find((scope) => scopeKindOf(scope) === 'numbers_10k');
  return range === undefined ? 0 : crowdingOf(policy, states.of(range), now);
}

/** Returns the scopes that the message counts in. Messages under an exemption say nothing about pumping of numbers. */
function countedScopesOf(request: MessageRequest, exemptions: Exemptions): readonly string[] {
  const { scopes, phoneIndex, knownDevice } = request;
  if (!exemptions.fromNumberRanges) return decidedScopesOf(request);
  const lane = laneOf(phoneIndex, knownDevice);
  return exemptions.fromEverything ? [lane] : [...scopes.requester, lane];
}
