import type { Policy } from '../policy.js';
import { needsProofOfNewNetworks, newNetworkScopeOf, newNetworkWaitMs } from './new-networks.js';
import {
  hashesFor,
  isProbeDue,
  objectionOf,
  type ScopeState,
  strictWaitMs,
  unansweredMessages,
} from './scope-state.js';
import {
  allScopesOf,
  isNumberRange,
  isRequesterScope,
  isWideScope,
  laneOf,
  type Scopes,
  scopeKindOf,
} from './scopes.js';

/** A request for a message, as far as the breaker is concerned. */
export interface MessageRequest {
  readonly scopes: Scopes;
  readonly phoneIndex: string;
  /** The number has signed in before, so it is exempt from blocks of its number range. */
  readonly knownNumber: boolean;
  /** The device has signed in on this number before, so it is exempt from every block. */
  readonly knownDevice: boolean;
  /** The request brought a valid proof of work. */
  readonly proven: boolean;
}

/** The exemptions of a request. They last as long as its number has few unanswered messages. */
export interface Exemptions {
  readonly fromEverything: boolean;
  readonly fromProofs: boolean;
  readonly fromNumberRanges: boolean;
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
 * Decides on a message. The order matters: what the requester's scopes and the wide scopes say is the same for every
 * number, and comes before an answer that only unknown numbers get. A requester learns whether a number is known at the
 * price of a message to it, and not without.
 */
export function judge(
  policy: Policy,
  states: ScopeStates,
  request: MessageRequest,
  exemptions: Exemptions,
  now: number,
): Verdict {
  if (exemptions.fromEverything) return { outcome: 'send' };
  const objections = allScopesOf(request.scopes).flatMap((scope) => {
    const objection = objectionOf(policy, scope, states.of(scope), now);
    return objection ? [{ scope, ...objection }] : [];
  });
  const blocked = objections.find(({ scope, action }) => action === 'block' && isRequesterScope(scope));
  if (blocked) return { outcome: 'suspend', scope: blocked.scope, retryAfterMs: blocked.retryAfterMs };
  const steppedUp = objections.filter(({ action }) => action === 'step_up').map(({ scope }) => scope);
  const newNetworks = newNetworkScopeOf(states, request.scopes, now);
  const demands =
    newNetworks && needsProofOfNewNetworks(policy, states.of(newNetworks), now)
      ? [...steppedUp, newNetworks]
      : steppedUp;
  if (demands.length > 0 && !request.proven && !exemptions.fromProofs)
    return stepUp(policy, states, request.scopes, demands, now);
  const isStrict = steppedUp.some(isWideScope);
  return (
    (isStrict && suspendStrictly(policy, states, request.scopes.requester, now)) ||
    (!exemptions.fromNumberRanges &&
      (judgeNumberRanges(policy, states, request, isStrict, now) ??
        (newNetworks ? suspendNewNetworks(policy, states, newNetworks, now) : null))) || { outcome: 'send' }
  );
}

/** New networks share a budget of unanswered messages to numbers of a country that have not signed in before. */
function suspendNewNetworks(policy: Policy, states: ScopeStates, scope: string, now: number): Verdict | null {
  const retryAfterMs = newNetworkWaitMs(policy, states.of(scope), now);
  return retryAfterMs > 0 ? { outcome: 'suspend', scope, retryAfterMs } : null;
}

/** Returns true for a verdict that a number which has signed in before would be exempt from. */
export function tellsUnknownNumber(verdict: Verdict): boolean {
  if (verdict.outcome === 'send') return false;
  const { outcome, scope } = verdict;
  return isNumberRange(scope) || (outcome === 'suspend' && scopeKindOf(scope) === 'country');
}

/**
 * Decides by the number ranges, whose blocks known numbers are exempt from. A known number whose exemption is used up is
 * judged like an unknown one: any difference would tell who has an account.
 */
function judgeNumberRanges(
  policy: Policy,
  states: ScopeStates,
  { scopes, proven }: MessageRequest,
  isStrict: boolean,
  now: number,
): Verdict | null {
  const ranges = scopes.numbers.filter(isNumberRange);
  for (const scope of ranges) {
    const state = states.of(scope);
    const objection = objectionOf(policy, scope, state, now);
    if (objection?.action === 'block') {
      if (!isProbeDue(state, now)) return { outcome: 'suspend', scope, retryAfterMs: objection.retryAfterMs };
      if (!proven) return stepUp(policy, states, scopes, [scope], now);
    }
  }
  return isStrict ? suspendStrictly(policy, states, ranges, now) : null;
}

/** While a wide scope is stepped up, narrow scopes with unanswered messages get half-open probes only. */
function suspendStrictly(
  policy: Policy,
  states: ScopeStates,
  scopes: readonly string[],
  now: number,
): Verdict | null {
  for (const scope of scopes) {
    const retryAfterMs = strictWaitMs(policy, scope, states.of(scope), now);
    if (retryAfterMs > 0) return { outcome: 'suspend', scope, retryAfterMs };
  }
  return null;
}

/** Requires a proof of work. Its difficulty depends on the requester's own address and networks only. */
function stepUp(
  policy: Policy,
  states: ScopeStates,
  { requester }: Scopes,
  demands: readonly string[],
  now: number,
): Verdict {
  const work = (scope: string) => hashesFor(policy, scope, states.of(scope), now);
  const own = demands.filter(isRequesterScope).toSorted((a, b) => work(b) - work(a))[0];
  const hashes = Math.max(policy.proof.hashes, ...requester.map(work));
  return { outcome: 'step_up', scope: own ?? (demands[0] as string), hashes };
}

/**
 * Returns the exemptions of known numbers and known devices. A number that has signed in before is exempt from its number
 * ranges and from nothing else: otherwise the answer would tell any requester who has an account. An exemption is used
 * up by unanswered messages, so that a verified number is no licence.
 */
export function exemptionsOf(policy: Policy, states: ScopeStates, request: MessageRequest): Exemptions {
  const { knownDevice, knownNumber, phoneIndex } = request;
  const hasLane = knownDevice || knownNumber;
  const { exempt, withoutProof } = policy.breaker.lanes;
  const unanswered = hasLane ? unansweredMessages(policy, states.of(laneOf(phoneIndex, knownDevice))) : 0;
  return {
    fromEverything: knownDevice && unanswered < exempt,
    fromProofs: knownDevice && unanswered < withoutProof,
    fromNumberRanges: hasLane && unanswered < exempt,
  };
}
