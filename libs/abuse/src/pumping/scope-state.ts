import type { Action, NarrowScopePolicy, Policy, ScopePolicy } from '../policy.js';
import { type DecayingSum, decayed } from './decaying-sum.js';
import { isLane, isRequesterScope, SYSTEM, scopeKindOf } from './scopes.js';
import { addMessage, busiestHour, DAYS_REMEMBERED, type Volume } from './volume.js';

/**
 * The state of one scope, and the rules by which it trips and recovers.
 *
 * Genuine requesters type in their codes; SMS pumpers, who earn money on the messages, do not. Each scope sums up this
 * evidence as log likelihood ratios: an unverified message adds to the sum, a verified one subtracts from it, and the
 * sum never falls below zero. This is a CUSUM, a cumulative sum control chart (Page, "Continuous inspection schemes",
 * 1954). The scope trips when the sum reaches the losses that the policy accepts.
 *
 * All functions depend on their arguments only and change nothing but the given state. Times are milliseconds since
 * 1970.
 */
export interface ScopeState {
  /** Messages still waiting for their code, counted by the time slot in which they were sent. */
  unsettled: [slot: number, messages: number][];
  /** The cumulative sum, in nats. */
  evidence: number;
  /** Verified messages as of `verifiedAt`; it decays with the half-life of the policy. */
  verified: number;
  verifiedAt: number;
  /** The block in force. */
  hold: ScopeBlock | null;
  /** Consecutive trips. */
  trips: number;
  /** End of the current block, or of the last one. */
  heldUntil: number;
  /** Time of the last message. */
  sentAt?: number;
  /** Only a country has one: the cumulative sum of its crowded messages as of `at`. It decays with the policy's half-life. */
  crowd?: DecayingSum;
  /** Only a country has one: the cumulative sum of its messages from new networks. It decays with a half-life of its own. */
  newNetworks?: DecayingSum;
  /** Only the whole system has one. */
  volume?: Volume;
}

/** The consequence of a trip. */
interface ScopeBlock {
  readonly action: Action;
  readonly since: number;
  readonly until: number;
  /** Time of the next half-open probe: a single message that may show that the attack is over. Null: no probes. */
  probeAt: number | null;
}

/** A scope that tripped, or whose block ended. */
export interface BreakerEvent {
  readonly event: 'tripped' | 'released';
  readonly scope: string;
  readonly action: Action;
  readonly until: number;
}

/** A reason of one scope not to send a message. */
interface Objection {
  readonly action: Action;
  readonly retryAfterMs: number;
}

const SLOT_MS = 2_000;
/** Less than the weight of any message, and more than the rounding errors of sums of logarithms. */
const ROUNDING = 1e-6;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function newScopeState(): ScopeState {
  return { unsettled: [], evidence: 0, verified: 0, verifiedAt: 0, hold: null, trips: 0, heldUntil: 0 };
}

/** Returns true if nothing was counted in a state yet. */
export function isUnused({ sentAt, evidence, verifiedAt }: ScopeState): boolean {
  return sentAt === undefined && evidence === 0 && verifiedAt === 0;
}

/** Returns how long to keep a state. Trips are remembered for a day, the busiest hours of the system for a week. */
export function stateTtlMs(scope: string, { heldUntil }: ScopeState, now: number): number {
  const days = scope === SYSTEM ? DAYS_REMEMBERED + 1 : 1;
  return Math.max(0, heldUntil - now) + days * DAY_MS + HOUR_MS;
}

/** Returns the weight of an unverified message: ln((1 - p1) / (1 - p0)), with p0 for genuine and p1 for pumped ones. */
export function unverifiedWeight({ breaker }: Policy): number {
  return Math.log((1 - breaker.pumpedConversion) / (1 - breaker.genuineConversion));
}

/** Returns the weight of a verified message: ln(p0 / p1). */
export function verifiedWeight({ breaker }: Policy): number {
  return Math.log(breaker.genuineConversion / breaker.pumpedConversion);
}

/** Turns messages that were not verified in time into evidence, and ends a block whose time is over. */
export function settle(policy: Policy, scope: string, state: ScopeState, now: number): BreakerEvent[] {
  const latest = slotOf(now - policy.breaker.settleSeconds * 1_000);
  let unverified = 0;
  while (state.unsettled[0] && state.unsettled[0][0] < latest)
    unverified += state.unsettled.shift()?.[1] ?? 0;
  state.evidence += unverified * unverifiedWeight(policy);
  // An exemption is used up for a day.
  if (isLane(scope) && now - (state.sentAt ?? now) > DAY_MS) state.evidence = 0;
  if (state.trips > 0 && now - state.heldUntil > DAY_MS) state.trips = 0;
  if (!state.hold || state.hold.until > now) return [];
  const { action, until } = state.hold;
  state.hold = null;
  return [{ event: 'released', scope, action, until }];
}

export function countUnsettled(state: ScopeState, now: number): void {
  const { unsettled } = state;
  state.sentAt = now;
  // The slot is not always the newest one, because the clocks of two processes differ.
  const slot = unsettled.find(([start]) => start === slotOf(now));
  if (slot) slot[1] += 1;
  else unsettled.push([slotOf(now), 1]);
}

/** Counts a message as verified. Expects a settled state. */
export function countVerified(policy: Policy, state: ScopeState, sentAt: number, now: number): void {
  takeBack(policy, state, sentAt);
  state.evidence = Math.max(0, state.evidence - verifiedWeight(policy));
  state.verified = creditedOf(policy, state, now) + 1;
  state.verifiedAt = now;
}

/** Remembers that a message of a network was verified, without credit for it. */
export function rememberVerified(policy: Policy, network: ScopeState, now: number): void {
  network.verified = creditedOf(policy, network, now);
  network.verifiedAt = now;
}

/** Takes back a message: while it is unsettled, or the evidence that it became. Expects a settled state. */
export function takeBack(policy: Policy, state: ScopeState, sentAt: number): void {
  const slot = state.unsettled.find(([start]) => start === slotOf(sentAt));
  if (slot && slot[1] > 0) slot[1] -= 1;
  else state.evidence = Math.max(0, state.evidence - unverifiedWeight(policy));
}

/** Counts a verified message in the volume of the whole system. */
export function countVolume(system: ScopeState, now: number): void {
  system.volume = addMessage(system.volume, now);
}

/** Counts crowded messages of a country; a negative number takes back verified ones. */
export function countCrowded(policy: Policy, country: ScopeState, messages: number, now: number): void {
  country.crowd = { messages: Math.max(0, crowdOf(policy, country, now) + messages), at: now };
}

/** Counts a proof of work that was solved for a blocked number range, as an unanswered message of its requester. */
export function countVain(policy: Policy, state: ScopeState, now: number): void {
  addUnverified(policy, state, 1);
  state.sentAt = now;
}

/** Adds the evidence of unverified messages. */
export function addUnverified(policy: Policy, state: ScopeState, messages: number): void {
  state.evidence += messages * unverifiedWeight(policy);
}

export function hasLostTooMuch(policy: Policy, scope: string, state: ScopeState, now: number): boolean {
  if (scopeKindOf(scope) === 'country' && crowdOf(policy, state, now) >= policy.breaker.country.crowd)
    return true;
  return state.evidence >= acceptedLosses(policy, scope, state) * unverifiedWeight(policy) - ROUNDING;
}

/** Refunds a share of a tripped scope's losses to a wider one. The rest is evidence against the wider one. */
export function refundLosses({ breaker }: Policy, wider: ScopeState, tripped: ScopeState): void {
  const share = breaker.refundedShare;
  wider.evidence = Math.max(0, wider.evidence - share * tripped.evidence);
  for (const [slot, messages] of tripped.unsettled) {
    const same = wider.unsettled.find(([start]) => start === slot);
    if (same) same[1] = Math.max(0, same[1] - Math.floor(share * messages));
  }
}

export function trip(policy: Policy, scope: string, state: ScopeState, now: number): BreakerEvent {
  const { action, holdSeconds } = consequenceOf(policy, scope, state.trips);
  const until = now + holdSeconds * 1_000;
  const hasProbes = scopeKindOf(scope) === 'numbers_10k';
  const probeAt = hasProbes ? now + policy.breaker.probeSeconds * 1_000 : null;
  Object.assign(state, {
    unsettled: [],
    evidence: 0,
    trips: state.trips + 1,
    heldUntil: until,
    hold: { action, since: now, until, probeAt },
  });
  delete state.crowd;
  return { event: 'tripped', scope, action, until };
}

/** Ends the block of a scope, and forgets the evidence and the trips that led to it. */
export function release(scope: string, state: ScopeState): BreakerEvent[] {
  const { hold } = state;
  Object.assign(state, { unsettled: [], evidence: 0, hold: null, trips: 0 });
  delete state.crowd;
  delete state.newNetworks;
  return hold ? [{ event: 'released', scope, action: hold.action, until: hold.until }] : [];
}

/** Returns the objection to one more message: the scope is blocked, or has too many unsettled messages. */
export function objectionOf(policy: Policy, scope: string, state: ScopeState, now: number): Objection | null {
  const { hold } = state;
  if (hold) {
    // An older version blocked wide scopes as well.
    const action = blocks(scope) ? hold.action : 'step_up';
    return { action, retryAfterMs: Math.min(hold.probeAt ?? hold.until, hold.until) - now };
  }
  if (unsettledMessages(state) < unsettledLimit(policy, scope, state, now)) return null;
  const oldest = state.unsettled[0]?.[0] ?? slotOf(now);
  const retryAfterMs = (oldest + 1) * SLOT_MS + policy.breaker.settleSeconds * 1_000 - now;
  return { action: consequenceOf(policy, scope, 0).action, retryAfterMs };
}

/**
 * Returns the wait for the next half-open probe if a narrow scope has more unanswered messages than it may have while a
 * wide scope of the same message is stepped up; otherwise zero. Verified messages allow more: for a requester, any of
 * the last day.
 */
export function strictWaitMs(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const scopePolicy = scopePolicyOf(policy, scope);
  if (!('strict' in scopePolicy)) return 0;
  const verified = creditedOf(policy, state, now);
  const earned = isRequesterScope(scope) ? Math.ceil(scopePolicy.credit * verified) : Math.floor(verified);
  const allowed = scopePolicy.strict + earned;
  if (unansweredMessages(policy, state) < allowed - ROUNDING) return 0;
  return Math.max(0, (state.sentAt ?? 0) + scopePolicy.strictWaitSeconds * 1_000 - now);
}

/** Returns the share (zero to one) by which one more message to a range of 10,000 numbers counts as crowded. */
export function crowdingOf(policy: Policy, range: ScopeState, now: number): number {
  const { credit } = policy.breaker.numbers10k;
  const excess = unansweredMessages(policy, range) - credit * creditedOf(policy, range, now);
  return Math.min(1, Math.max(0, excess / policy.breaker.crowdedFrom));
}

/** Returns the messages without their code: unsettled ones, and those that became evidence. */
export function unansweredMessages(policy: Policy, state: ScopeState): number {
  return unsettledMessages(state) + state.evidence / unverifiedWeight(policy);
}

export function isProbeDue({ hold }: ScopeState, now: number): boolean {
  return hold !== null && hold.probeAt !== null && hold.probeAt <= now;
}

/** Each wait for a probe is as long as the block was in force until now, so it doubles. */
export function scheduleNextProbe({ breaker }: Policy, { hold }: ScopeState, now: number): void {
  if (hold) hold.probeAt = now + Math.max(breaker.probeSeconds * 1_000, now - hold.since);
}

/**
 * Returns the work of a proof for an address or a network: it doubles with each consecutive trip and each doubling of
 * unsettled messages.
 */
export function hashesFor(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const excess = unsettledMessages(state) / Math.max(1, unsettledAllowance(policy, scope, state, now));
  const risk = Math.max(0, state.trips - 1) + Math.floor(Math.log2(1 + excess));
  return Math.min(policy.proof.mostHashes, policy.proof.hashes * 2 ** risk);
}

function slotOf(at: number): number {
  return Math.floor(at / SLOT_MS);
}

/** Returns true for a scope that may block. The others step up. */
function blocks(scope: string): boolean {
  return scope.startsWith('numbers_10k:') || scope.startsWith('network:');
}

/** A network that trips again after a step-up is blocked. */
function consequenceOf(
  policy: Policy,
  scope: string,
  trips: number,
): { action: Action; holdSeconds: number } {
  const { holdSeconds } = scopePolicyOf(policy, scope);
  switch (scopeKindOf(scope)) {
    case 'numbers_10k':
      return { action: 'block', holdSeconds };
    case 'network':
      return trips > 0
        ? { action: 'block', holdSeconds: policy.breaker.networkBlockSeconds }
        : { action: 'step_up', holdSeconds };
    default:
      return { action: 'step_up', holdSeconds };
  }
}

function unsettledMessages({ unsettled }: ScopeState): number {
  return unsettled.reduce((sum, [, messages]) => sum + messages, 0);
}

/**
 * Returns how many messages may be unsettled at once. Losses lower the limit, so that a slow attack gets no more messages
 * than a fast one. One message is always allowed (unless the policy allows none): by it the scope trips or recovers.
 */
function unsettledLimit(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const allowance = unsettledAllowance(policy, scope, state, now);
  const lost = state.evidence / unverifiedWeight(policy);
  return Math.max(Math.min(1, allowance), allowance - lost - ROUNDING);
}

/** Returns how many messages may be unsettled at once in a scope without losses. */
function unsettledAllowance(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const { pending, credit } = scopePolicyOf(policy, scope);
  return pending + credit * creditedOf(policy, state, now);
}

function creditedOf({ breaker }: Policy, { verified, verifiedAt }: ScopeState, now: number): number {
  return verified === 0 ? 0 : verified * 2 ** (-(now - verifiedAt) / (breaker.creditHalfLifeSeconds * 1_000));
}

function crowdOf({ breaker }: Policy, { crowd }: ScopeState, now: number): number {
  return decayed(crowd, breaker.crowdHalfLifeSeconds, now);
}

function acceptedLosses(policy: Policy, scope: string, { volume }: ScopeState): number {
  const { lose } = scopePolicyOf(policy, scope);
  if (scope !== SYSTEM || !volume) return lose;
  return Math.max(lose, policy.breaker.system.busiestHours * busiestHour(volume));
}

function scopePolicyOf({ breaker }: Policy, scope: string): ScopePolicy | NarrowScopePolicy {
  switch (scopeKindOf(scope)) {
    case 'address':
      return breaker.address;
    case 'network':
      return breaker.network;
    case 'network_16':
    case 'network_40':
      return breaker.wideNetwork;
    case 'network_32':
      return breaker.widestNetwork;
    case 'numbers_10k':
      return breaker.numbers10k;
    case 'numbers_100k':
      return breaker.numbers100k;
    case 'country':
      return breaker.country;
    case 'system':
      return breaker.system;
  }
}
