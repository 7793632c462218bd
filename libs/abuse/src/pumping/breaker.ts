import type { Policy } from '../policy.js';
import { countNewNetwork, newNetworkScopeOf } from './new-networks.js';
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
  rememberVerified,
  scheduleNextProbe,
  settle,
  takeBack,
  trip,
  unansweredMessages,
  unverifiedWeight,
  verifiedWeight,
} from './scope-state.js';
import {
  allScopesOf,
  countryOf,
  isNumberRange,
  laneOf,
  type Scopes,
  SYSTEM,
  scopeKindOf,
  wideNetworkOf,
} from './scopes.js';
import {
  type Exemptions,
  exemptionsOf,
  judge,
  type MessageRequest,
  type ScopeStates,
  tellsUnknownNumber,
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
  /** The message counted in its country as one of a new network. */
  readonly newNetwork?: true;
  /** The wide network of a known device. The message does not count there, but it is no new network once it is verified. */
  readonly vouchedNetwork?: string;
}

/** A decision on one message. */
export interface Assessment {
  readonly verdict: Verdict;
  readonly exemptions: Exemptions;
  readonly events: BreakerEvent[];
  /** The decision itself changed a state: a scope tripped, a block ended, or a proof was solved in vain. */
  readonly changed: boolean;
}

/**
 * Decides on one message without counting it. Only a proof that was solved in vain counts.
 *
 * @param enforced false (monitor mode): the message is sent whatever the verdict, so no proof is in vain.
 */
export function assess(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  now: number,
  enforced = true,
): Assessment {
  const events = [
    ...decidedScopesOf(request).flatMap((scope) => settle(policy, scope, states.of(scope), now)),
    ...tripScopes(policy, states, request.scopes, now),
  ];
  const exemptions = exemptionsOf(policy, states, request);
  const verdict = judge(policy, states, request, exemptions, now);
  const isVain = enforced && countIfVain(policy, states, request, verdict, now);
  return { verdict, exemptions, events, changed: isVain || events.length > 0 };
}

/** Counts an assessed message as unsettled. */
export function countAssessed(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  assessment: Assessment,
  now: number,
): Admitted {
  const admitted = entryOf(policy, states, request, assessment, now);
  count(policy, states, admitted, now);
  return admitted;
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
  const assessment = assess(policy, states, request, now, enforced);
  const admitted = entryOf(policy, states, request, assessment, now);
  const { verdict, events } = assessment;
  if (verdict.outcome === 'send' || !enforced) count(policy, states, admitted, now);
  return { verdict, admitted, events };
}

function entryOf(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  { exemptions }: Assessment,
  now: number,
): Admitted {
  const scopes = countedScopesOf(policy, states, request, exemptions);
  const probes = probedScopesOf(scopes, states, exemptions, now);
  const entry = { at: now, scopes, probes, crowding: crowdingIn(policy, states, scopes, now) };
  if (exemptions.fromEverything) return { ...entry, vouchedNetwork: wideNetworkOf(request.scopes) };
  return newNetworkScopeOf(states, request.scopes, now) ? { ...entry, newNetwork: true } : entry;
}

/** Counts a proof that was solved for a range without room against its requester. Returns true if it was one. */
function countIfVain(
  policy: Policy,
  states: ScopeStates,
  { proven, scopes }: MessageRequest,
  verdict: Verdict,
  now: number,
): boolean {
  const isVain = verdict.outcome === 'suspend' && proven && tellsUnknownNumber(verdict);
  if (isVain) for (const scope of scopes.requester) countVain(policy, states.of(scope), now);
  return isVain;
}

/** Records that the code of a message was typed in, in time or late. A verified probe releases its scope. */
export function recordVerified(
  policy: Policy,
  states: ScopeStates,
  message: Admitted,
  now: number,
): BreakerEvent[] {
  countWalk(policy, states, message, -1 - verifiedWeight(policy) / unverifiedWeight(policy), now);
  if (message.vouchedNetwork) rememberVerified(policy, states.of(message.vouchedNetwork), now);
  if (message.scopes.includes(SYSTEM)) countVolume(states.of(SYSTEM), now);
  return message.scopes.flatMap((scope) => {
    const state = states.of(scope);
    const events = settle(policy, scope, state, now);
    if (isExemptFrom(message, scope)) takeBack(policy, state, message.at);
    else countVerified(policy, state, message.at, now);
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
function decidedScopesOf({ scopes, phoneIndex, knownNumber, knownDevice }: MessageRequest): string[] {
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
    countUnsettled(states.of(scope), now);
  }
  countWalk(policy, states, message, 1, now);
  for (const scope of message.probes) scheduleNextProbe(policy, states.of(scope), now);
}

/** Counts a message in the sums by which its country notices a walk, with a weight. A negative weight takes it back. */
function countWalk(
  policy: Policy,
  states: ScopeStates,
  { scopes, crowding, newNetwork }: Admitted,
  weight: number,
  now: number,
): void {
  const country = countryOf({ numbers: scopes });
  if (!country) return;
  if (crowding) countCrowded(policy, states.of(country), weight * crowding, now);
  if (newNetwork) countNewNetwork(policy, states.of(country), weight, now);
}

function crowdingIn(policy: Policy, states: ScopeStates, scopes: readonly string[], now: number): number {
  const range = scopes.find((scope) => scopeKindOf(scope) === 'numbers_10k');
  return range === undefined ? 0 : crowdingOf(policy, states.of(range), now);
}

/**
 * True for a range of numbers whose blocks the message was exempt from. Entering its code then proves nothing about the
 * range: an attacker's credit must not grow with the number of users who come back.
 */
function isExemptFrom({ scopes }: Admitted, scope: string): boolean {
  return isNumberRange(scope) && !scopes.includes(SYSTEM);
}

/** A message that is exempt from the blocks of number ranges is no probe of one. */
function probedScopesOf(
  scopes: readonly string[],
  states: ScopeStates,
  { fromNumberRanges }: Exemptions,
  now: number,
): string[] {
  return scopes.filter(
    (scope) => isProbeDue(states.of(scope), now) && !(fromNumberRanges && isNumberRange(scope)),
  );
}

/**
 * Returns the scopes that the message counts in. Messages under an exemption say little about pumping: they count in
 * nothing wider than their range of 10,000 numbers, and there only while it has other unanswered messages, so that verified
 * numbers are no way into an attacked range.
 */
function countedScopesOf(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  exemptions: Exemptions,
): readonly string[] {
  const { scopes, phoneIndex, knownDevice } = request;
  if (!exemptions.fromNumberRanges) return decidedScopesOf(request);
  const attacked = scopes.numbers.filter(
    (scope) =>
      scopeKindOf(scope) === 'numbers_10k' &&
      unansweredMessages(policy, states.of(scope)) >= policy.breaker.lanes.countedFrom,
  );
  const lane = laneOf(phoneIndex, knownDevice);
  return exemptions.fromEverything ? [...attacked, lane] : [...scopes.requester, ...attacked, lane];
}
