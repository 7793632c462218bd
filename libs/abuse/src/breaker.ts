import type { Action, Policy, ScopePolicy } from './policy.js';
import { busiestHour, counted, DAYS_REMEMBERED, type Volume } from './volume.js';

/**
 * Genuine senders type in the codes that they ask for, and pumpers do not. Each scope (an address, a network, a block
 * of numbers, a country, the whole system) gathers the evidence as a cumulative sum of log likelihood ratios (CUSUM:
 * Page, "Continuous inspection schemes", 1954) and trips when so much has been lost there as one is ready to lose.
 *
 * Everything here is a function of the states it is given and of the time, in milliseconds since 1970. The functions
 * change the states that they are given and nothing else.
 */

export type ScopeKind = 'address' | 'network' | 'numbers_10k' | 'numbers_100k' | 'country' | 'system';

/** Why messages of a scope are held back, and until when. */
interface Hold {
  readonly action: Action;
  readonly since: number;
  readonly until: number;
  /** When the next message may try whether it is over; null: none may. */
  probeAt: number | null;
}

/** What is remembered of a scope. */
export interface ScopeState {
  /** Messages of which it is not known yet whether their codes are typed in, by the slot of time they were sent in. */
  unsettled: [slot: number, messages: number][];
  /** The cumulative sum, in natural units of information. */
  evidence: number;
  /** Messages that were verified, as of `verifiedAt`, older ones counting less. */
  verified: number;
  verifiedAt: number;
  hold: Hold | null;
  /** How often it tripped on end. */
  trips: number;
  /** When the last hold ended, or will. */
  heldUntil: number;
  /** Of the whole system only: what its busiest hours were. */
  volume?: Volume;
}

/** Where a message comes from and goes to: the keys of its scopes, the narrowest of a chain first. */
export interface Scopes {
  readonly sender: readonly string[];
  readonly numbers: readonly string[];
}

/** Who asks for a message. */
export interface Sender {
  readonly scopes: Scopes;
  /** The number signed in before: its block of numbers is not held against it. */
  readonly known: boolean;
  /** The device signed in on this number before: nothing is held against it. */
  readonly device: boolean;
  /** A proof of work came with the request. */
  readonly proven: boolean;
}

/** A message that was admitted, to be handed back when its code was typed in. */
export interface Admitted {
  readonly at: number;
  readonly scopes: readonly string[];
  /** The scopes that this message tries out. */
  readonly probes: readonly string[];
}

export type Verdict =
  | { readonly outcome: 'send' }
  | { readonly outcome: 'step_up'; readonly scope: string; readonly hashes: number }
  | { readonly outcome: 'suspend'; readonly scope: string; readonly retryAfterMs: number };

/** A scope that was found to be lost in, or to be well again. */
export interface Turn {
  readonly event: 'tripped' | 'released';
  readonly scope: string;
  readonly action: Action;
  readonly until: number;
}

/** States by the key of their scope. */
export interface States {
  of(scope: string): ScopeState;
}

export const SYSTEM = 'system';
const SLOT_MS = 2_000;
/** Less than any message weighs, and more than sums of logarithms are off by. */
const ROUNDING = 1e-6;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function newScopeState(): ScopeState {
  return { unsettled: [], evidence: 0, verified: 0, verifiedAt: 0, hold: null, trips: 0, heldUntil: 0 };
}

/** How long the state means anything. Trips are remembered for a day, the busiest hours for a week. */
export function lifeMs(scope: string, { heldUntil }: ScopeState, now: number): number {
  const days = scope === SYSTEM ? DAYS_REMEMBERED + 1 : 1;
  return Math.max(0, heldUntil - now) + days * DAY_MS + HOUR_MS;
}

export function kindOf(scope: string): ScopeKind {
  const end = scope.indexOf(':');
  return (end < 0 ? scope : scope.slice(0, end)) as ScopeKind;
}

/** All scopes of a message, in the order in which they are blamed. */
export function allOf({ sender, numbers }: Scopes): string[] {
  return [...sender, ...numbers, SYSTEM];
}

/**
 * Decides on one message, and counts it as unsettled if it may go.
 *
 * @param enforced false: it goes, and is counted, whatever the verdict.
 */
export function admit(
  policy: Policy,
  states: States,
  sender: Sender,
  now: number,
  enforced = true,
): { verdict: Verdict; admitted: Admitted; turns: Turn[] } {
  const turns = [
    ...allOf(sender.scopes).flatMap((scope) => settle(policy, scope, states.of(scope), now)),
    ...tripped(policy, states, sender.scopes, now),
  ];
  const verdict = judge(policy, states, sender, now);
  const scopes = counting(sender);
  const probes = scopes.filter((scope) => mayProbe(states.of(scope).hold, now));
  if (verdict.outcome === 'send' || !enforced) {
    count(states, scopes, now);
    for (const scope of probes) awaitNextProbe(policy, states.of(scope).hold, now);
  }
  return { verdict, admitted: { at: now, scopes, probes }, turns };
}

/** The code of a message was typed in, late or not. */
export function verified(policy: Policy, states: States, message: Admitted, now: number): Turn[] {
  const turns: Turn[] = [];
  for (const scope of message.scopes) {
    const state = states.of(scope);
    turns.push(...settle(policy, scope, state, now));
    const slot = state.unsettled.find(([start]) => start === slotOf(message.at));
    // A late one had been counted against the scope.
    if (slot && slot[1] > 0) slot[1] -= 1;
    else state.evidence -= unverifiedWeight(policy);
    state.evidence = Math.max(0, state.evidence - verifiedWeight(policy));
    state.verified = creditedOf(policy, state, now) + 1;
    state.verifiedAt = now;
    const triesThisHold = state.hold !== null && state.hold.since <= message.at;
    if (triesThisHold && message.probes.includes(scope)) turns.push(...release(scope, state));
  }
  return turns;
}

/**
 * The provider takes a message for a pumper's: as much evidence as that many messages which nobody answered. Whether
 * that trips a scope is decided with its next message.
 */
export function suspected(policy: Policy, states: States, message: Admitted, now: number): Turn[] {
  const evidence = policy.breaker.fraudSignalMessages * unverifiedWeight(policy);
  return message.scopes.flatMap((scope) => {
    const state = states.of(scope);
    const turns = settle(policy, scope, state, now);
    state.evidence += evidence;
    return turns;
  });
}

/** Lets messages through again, and forgets what was held against the scope. */
export function release(scope: string, state: ScopeState): Turn[] {
  const { hold } = state;
  Object.assign(state, { unsettled: [], evidence: 0, hold: null, trips: 0 });
  return hold ? [{ event: 'released', scope, action: hold.action, until: hold.until }] : [];
}

/** What an unverified message says for a pumper: ln((1 - p1) / (1 - p0)). */
export function unverifiedWeight({ breaker }: Policy): number {
  return Math.log((1 - breaker.pumpedConversion) / (1 - breaker.genuineConversion));
}

/** What a verified one says against it: ln(p0 / p1). */
export function verifiedWeight({ breaker }: Policy): number {
  return Math.log(breaker.genuineConversion / breaker.pumpedConversion);
}

function slotOf(at: number): number {
  return Math.floor(at / SLOT_MS);
}

/** Messages that were not verified in time become evidence; a hold whose time is over ends. */
function settle(policy: Policy, scope: string, state: ScopeState, now: number): Turn[] {
  const latest = slotOf(now - policy.breaker.settleSeconds * 1_000);
  let unverified = 0;
  while (state.unsettled[0] && state.unsettled[0][0] < latest)
    unverified += state.unsettled.shift()?.[1] ?? 0;
  state.evidence += unverified * unverifiedWeight(policy);
  if (state.trips > 0 && now - state.heldUntil > DAY_MS) state.trips = 0;
  if (!state.hold || state.hold.until > now) return [];
  const { action, until } = state.hold;
  state.hold = null;
  return [{ event: 'released', scope, action, until }];
}

/**
 * The narrowest scope takes the blame, and the wider ones get its share back: otherwise an attack on five blocks of
 * numbers would shut a whole country.
 */
function tripped(policy: Policy, states: States, { sender, numbers }: Scopes, now: number): Turn[] {
  return [sender, numbers].flatMap((chain) => {
    const upwards = [...chain, SYSTEM];
    return upwards.flatMap((scope, i) => {
      const state = states.of(scope);
      const most = loseOf(policy, scope, state) * unverifiedWeight(policy);
      if (state.evidence < most - ROUNDING) return [];
      for (const wider of upwards.slice(i + 1)) giveBack(states.of(wider), state);
      return [trip(policy, scope, state, now)];
    });
  });
}

function giveBack(wider: ScopeState, narrower: ScopeState): void {
  wider.evidence = Math.max(0, wider.evidence - narrower.evidence);
  for (const [slot, messages] of narrower.unsettled) {
    const same = wider.unsettled.find(([start]) => start === slot);
    if (same) same[1] = Math.max(0, same[1] - messages);
  }
}

function trip(policy: Policy, scope: string, state: ScopeState, now: number): Turn {
  const { action, holdSeconds } = answerOf(policy, scope, state);
  const until = now + holdSeconds * 1_000;
  const probes = kindOf(scope) === 'numbers_10k';
  Object.assign(state, {
    unsettled: [],
    evidence: 0,
    trips: state.trips + 1,
    heldUntil: until,
    hold: { action, since: now, until, probeAt: probes ? now + policy.breaker.probeSeconds * 1_000 : null },
  });
  return { event: 'tripped', scope, action, until };
}

/** A network that goes on although it was stepped up is held back. */
function answerOf(
  policy: Policy,
  scope: string,
  { trips }: ScopeState,
): { action: Action; holdSeconds: number } {
  const { holdSeconds } = limitsOf(policy, scope);
  switch (kindOf(scope)) {
    case 'numbers_10k':
    case 'numbers_100k':
      return { action: 'block', holdSeconds };
    case 'network':
      return trips > 0
        ? { action: 'block', holdSeconds: policy.breaker.networkBlockSeconds }
        : { action: 'step_up', holdSeconds };
    default:
      return { action: 'step_up', holdSeconds };
  }
}

function judge(policy: Policy, states: States, sender: Sender, now: number): Verdict {
  const steps: Verdict[] = [];
  for (const scope of judging(sender)) {
    const state = states.of(scope);
    const objection = objectionOf(policy, scope, state, now);
    if (objection?.action === 'block')
      return { outcome: 'suspend', scope, retryAfterMs: objection.retryAfterMs };
    if (objection && !sender.proven)
      steps.push({ outcome: 'step_up', scope, hashes: hashesOf(policy, scope, state, now) });
  }
  return hardest(steps) ?? { outcome: 'send' };
}

/**
 * The scopes that can object. A number that signed in before is exempt from what its block of numbers has lost, and from
 * nothing else: otherwise any asker could read off the answer who has an account.
 */
function judging(sender: Sender): readonly string[] {
  if (sender.device) return [];
  const all = allOf(sender.scopes);
  return sender.known ? all.filter((scope) => !/^numbers_/.test(scope)) : all;
}

/** The scopes that the message counts in: a known number's says nothing about pumpers, but for its sender. */
function counting({ scopes, known, device }: Sender): readonly string[] {
  if (device) return [];
  return known ? scopes.sender : allOf(scopes);
}

function objectionOf(
  policy: Policy,
  scope: string,
  state: ScopeState,
  now: number,
): { action: Action; retryAfterMs: number } | null {
  const { hold } = state;
  if (hold) {
    return mayProbe(hold, now)
      ? null
      : { action: hold.action, retryAfterMs: Math.min(hold.probeAt ?? hold.until, hold.until) - now };
  }
  if (unsettledOf(state) < roomOf(policy, scope, state, now)) return null;
  const oldest = state.unsettled[0]?.[0] ?? slotOf(now);
  const retryAfterMs = (oldest + 1) * SLOT_MS + policy.breaker.settleSeconds * 1_000 - now;
  return { action: answerOf(policy, scope, { ...state, trips: 0 }).action, retryAfterMs };
}

function hardest(steps: Verdict[]): Verdict | undefined {
  const hashes = (step: Verdict) => (step.outcome === 'step_up' ? step.hashes : 0);
  return steps.toSorted((a, b) => hashes(b) - hashes(a))[0];
}

function mayProbe(hold: Hold | null, now: number): boolean {
  return hold !== null && hold.probeAt !== null && hold.probeAt <= now;
}

function count(states: States, scopes: readonly string[], now: number): void {
  for (const scope of scopes) {
    const { unsettled } = states.of(scope);
    // Not always the newest: the clocks of two processes differ.
    const slot = unsettled.find(([start]) => start === slotOf(now));
    if (slot) slot[1] += 1;
    else unsettled.push([slotOf(now), 1]);
  }
  const system = states.of(SYSTEM);
  system.volume = counted(system.volume, now);
}

function awaitNextProbe({ breaker }: Policy, hold: Hold | null, now: number): void {
  if (hold) hold.probeAt = now + breaker.probeSeconds * 1_000;
}

/** The riskier, the more work: twice as much for each trip, and for each doubling of what is unsettled. */
function hashesOf(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const excess = unsettledOf(state) / Math.max(1, capOf(policy, scope, state, now));
  const risk = Math.max(0, state.trips - 1) + Math.floor(Math.log2(1 + excess));
  return Math.min(policy.proof.mostHashes, policy.proof.hashes * 2 ** risk);
}

function unsettledOf({ unsettled }: ScopeState): number {
  return unsettled.reduce((sum, [, messages]) => sum + messages, 0);
}

/** What is lost already takes room, so that a slow attack is paid no more than a fast one; one message always has room. */
function roomOf(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const cap = capOf(policy, scope, state, now);
  return Math.max(Math.min(1, cap), cap - state.evidence / unverifiedWeight(policy) - ROUNDING);
}

function capOf(policy: Policy, scope: string, state: ScopeState, now: number): number {
  const { pending, credit } = limitsOf(policy, scope);
  return pending + credit * creditedOf(policy, state, now);
}

function creditedOf({ breaker }: Policy, { verified, verifiedAt }: ScopeState, now: number): number {
  return verified === 0 ? 0 : verified * 2 ** (-(now - verifiedAt) / (breaker.creditHalfLifeSeconds * 1_000));
}

function limitsOf({ breaker }: Policy, scope: string): ScopePolicy {
  switch (kindOf(scope)) {
    case 'address':
      return breaker.address;
    case 'network':
      return breaker.network;
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

function loseOf(policy: Policy, scope: string, { volume }: ScopeState): number {
  const { lose } = limitsOf(policy, scope);
  if (scope !== SYSTEM || !volume) return lose;
  return Math.max(lose, policy.breaker.system.busiestHours * busiestHour(volume));
}
