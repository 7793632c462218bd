import type { Policy } from '../policy.js';
import {
  addUnverified,
  type BreakerEvent,
  countUnsettled,
  countVerified,
  countVolume,
  hashesFor,
  hasLostTooMuch,
  isProbeDue,
  objectionOf,
  release,
  type ScopeState,
  scheduleNextProbe,
  settle,
  subtractLosses,
  trip,
} from './scope-state.js';
import { allScopesOf, isNumberRange, type Scopes, SYSTEM } from './scopes.js';

/**
 * The circuit breaker against SMS pumping, a fraud in which messages are requested to numbers that earn the fraudster
 * money. The breaker decides on each message by the states of its scopes, and updates them. A scope that trips blocks
 * its messages or steps them up (requires a proof of work) until its block ends.
 *
 * All functions depend on their arguments only and change nothing but the given states. Times are milliseconds since
 * 1970.
 */

/** A request for a message, as far as the breaker is concerned. */
export interface MessageRequest {
  readonly scopes: Scopes;
  /** The number has signed in before, so it is exempt from blocks of its number range. */
  readonly knownNumber: boolean;
  /** The device has signed in on this number before, so it is exempt from every block. */
  readonly knownDevice: boolean;
  /** The request brought a valid proof of work. */
  readonly proven: boolean;
}

/** An admitted message. It is needed again when its code is typed in. */
export interface Admitted {
  readonly at: number;
  readonly scopes: readonly string[];
  /** The blocked scopes for which this message is the half-open probe. */
  readonly probes: readonly string[];
}

export type Verdict =
  | { readonly outcome: 'send' }
  /** The request needs a proof of work. */
  | { readonly outcome: 'step_up'; readonly scope: string; readonly hashes: number }
  | { readonly outcome: 'suspend'; readonly scope: string; readonly retryAfterMs: number };

/** The states by the key of their scope. */
export interface ScopeStates {
  of(scope: string): ScopeState;
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
  const events = [
    ...allScopesOf(request.scopes).flatMap((scope) => settle(policy, scope, states.of(scope), now)),
    ...tripScopes(policy, states, request.scopes, now),
  ];
  const verdict = judge(policy, states, request, now);
  const scopes = countedScopesOf(request);
  const probes = scopes.filter((scope) => isProbeDue(states.of(scope), now));
  if (verdict.outcome === 'send' || !enforced) {
    for (const scope of scopes) countUnsettled(states.of(scope), now);
    countVolume(states.of(SYSTEM), now);
    for (const scope of probes) scheduleNextProbe(policy, states.of(scope), now);
  }
  return { verdict, admitted: { at: now, scopes, probes }, events };
}

/** Records that the code of a message was typed in, in time or late. A verified probe releases its scope. */
export function recordVerified(
  policy: Policy,
  states: ScopeStates,
  message: Admitted,
  now: number,
): BreakerEvent[] {
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

/**
 * Trips the scopes that have lost too much. Only the narrowest scope is blamed, and its losses are subtracted from the
 * wider ones: otherwise an attack on five number ranges would trip the whole country.
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
      if (!hasLostTooMuch(policy, scope, state)) return [];
      for (const wider of fromNarrowToWide.slice(i + 1)) subtractLosses(states.of(wider), state);
      return [trip(policy, scope, state, now)];
    });
  });
}

/** Suspends the message if one of its scopes blocks it. Otherwise the scope that demands the most work decides. */
function judge(policy: Policy, states: ScopeStates, request: MessageRequest, now: number): Verdict {
  const stepUps: Extract<Verdict, { outcome: 'step_up' }>[] = [];
  for (const scope of judgingScopesOf(request)) {
    const state = states.of(scope);
    const objection = objectionOf(policy, scope, state, now);
    if (objection?.action === 'block')
      return { outcome: 'suspend', scope, retryAfterMs: objection.retryAfterMs };
    if (objection && !request.proven)
      stepUps.push({ outcome: 'step_up', scope, hashes: hashesFor(policy, scope, state, now) });
  }
  return stepUps.toSorted((a, b) => b.hashes - a.hashes)[0] ?? { outcome: 'send' };
}

/**
 * Returns the scopes that may object to the message. A number that has signed in before is exempt from its number
 * ranges and from nothing else: otherwise the answer would tell any requester who has an account.
 */
function judgingScopesOf({ scopes, knownNumber, knownDevice }: MessageRequest): readonly string[] {
  if (knownDevice) return [];
  const all = allScopesOf(scopes);
  return knownNumber ? all.filter((scope) => !isNumberRange(scope)) : all;
}

/** Returns the scopes that the message counts in. Messages to known numbers say nothing about pumping of numbers. */
function countedScopesOf({ scopes, knownNumber, knownDevice }: MessageRequest): readonly string[] {
  if (knownDevice) return [];
  return knownNumber ? scopes.requester : allScopesOf(scopes);
}
