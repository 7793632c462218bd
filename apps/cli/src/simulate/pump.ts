import {
  type Admitted,
  admit,
  newScopeState,
  type Policy,
  recordVerified,
  type ScopeState,
  type ScopeStates,
} from '#abuse';
import { genuineRequests, type Request, type Span } from './population.js';
import { ATTACK_START, HOUR_MS, SCENARIOS, type Scenario, START, WARM_UP_HOURS } from './pump-scenarios.js';
import { Random } from './random.js';

export interface PumpOutcome {
  readonly name: string;
  readonly hours: number;
  readonly genuine: { offered: number; sentAtOnce: number; sentAfterProof: number; blocked: number };
  /** `paid`: messages that were sent, and whose code is never typed in. */
  readonly attack: { offered: number; paid: number; hashes: number };
  /** Messages sent in each minute since the scenario began. */
  readonly minutes: { genuine: number[]; attack: number[] };
}

export interface PumpOptions {
  readonly policy: Policy;
  readonly seed: number;
  /** 1: the traffic in the documentation. Less shrinks the traffic, but not the policy. */
  readonly scale?: number;
  readonly only?: readonly string[];
  readonly onProgress?: (done: number, total: number) => void;
}

const MINUTE_MS = 60_000;

/** Returns the most that an attacker was paid in any period of this many hours, from one full hour to another. */
export function mostPaid({ minutes, hours }: PumpOutcome, period: number): number {
  const byHour = Array.from({ length: hours }, (_, hour) =>
    minutes.attack.slice(hour * 60, (hour + 1) * 60).reduce((sum, paid) => sum + (paid ?? 0), 0),
  );
  const sums = byHour.map((_, i) => byHour.slice(i, i + period).reduce((sum, paid) => sum + paid, 0));
  return Math.max(...sums);
}

/** Runs every scenario through the circuit breaker of the server. */
export function simulatePumping({ policy, seed, scale = 1, only, onProgress }: PumpOptions): PumpOutcome[] {
  const scenarios = SCENARIOS.filter(({ name }) => only?.includes(name) ?? true);
  return scenarios.map((scenario, i) => {
    const outcome = run(scenario, policy, new Random(seed), scale);
    onProgress?.(i + 1, scenarios.length);
    return outcome;
  });
}

function run(scenario: Scenario, policy: Policy, random: Random, scale: number): PumpOutcome {
  const warmUp: Span = { from: START, lengthMs: WARM_UP_HOURS * HOUR_MS };
  const requests = [
    ...genuineRequests(random, WARM_UP_HOURS * scenario.genuinePerHour * scale, warmUp),
    ...scenario.requests(random, scale),
  ];
  const outcome: PumpOutcome = {
    name: scenario.name,
    hours: scenario.hours,
    genuine: { offered: 0, sentAtOnce: 0, sentAfterProof: 0, blocked: 0 },
    attack: { offered: 0, paid: 0, hashes: 0 },
    minutes: { genuine: noMessages(scenario.hours), attack: noMessages(scenario.hours) },
  };
  const states = new MapStates();
  const sent = new Map<Request, Admitted>();
  for (const { at, request, isTyping } of inOrder(requests)) {
    if (isTyping) {
      const message = sent.get(request);
      if (message) recordVerified(policy, states, message, at);
      continue;
    }
    const isRefused = scenario.allowedCountries && !scenario.allowedCountries.includes(request.country);
    const answer = isRefused ? { admitted: null, hashes: 0 } : ask(policy, states, request);
    if (answer.admitted) sent.set(request, answer.admitted);
    if (at >= ATTACK_START) record(outcome, request, answer);
  }
  return outcome;
}

function noMessages(hours: number): number[] {
  return Array<number>(hours * 60).fill(0);
}

interface Answer {
  /** Null: no message was sent. */
  readonly admitted: Admitted | null;
  /** Hashes of the proof of work; 0: none was required. */
  readonly hashes: number;
}

/** The time to solve a proof is negligible here: the second request has the time of the first. */
function ask(
  policy: Policy,
  states: ScopeStates,
  { scopes, phoneNumber, known, device, at, solvesProofs }: Request,
): Answer {
  const request = { scopes, phoneIndex: phoneNumber, knownNumber: known, knownDevice: device };
  const decide = (proven: boolean) => admit(policy, states, { ...request, proven }, at);
  const first = decide(false);
  if (first.verdict.outcome === 'send') return { admitted: first.admitted, hashes: 0 };
  if (first.verdict.outcome === 'suspend' || !solvesProofs) return { admitted: null, hashes: 0 };
  const second = decide(true);
  return {
    admitted: second.verdict.outcome === 'send' ? second.admitted : null,
    hashes: first.verdict.hashes,
  };
}

function record(
  { genuine, attack, minutes }: PumpOutcome,
  { side, at, typedAt }: Request,
  { admitted, hashes }: Answer,
): void {
  const minute = Math.floor((at - ATTACK_START) / MINUTE_MS);
  const isPaid = admitted !== null && (side === 'genuine' || typedAt === null);
  if (isPaid) minutes[side][minute] = (minutes[side][minute] ?? 0) + 1;
  if (side === 'attack') {
    attack.offered += 1;
    attack.hashes += hashes;
    if (isPaid) attack.paid += 1;
  } else {
    genuine.offered += 1;
    if (!admitted) genuine.blocked += 1;
    else if (hashes > 0) genuine.sentAfterProof += 1;
    else genuine.sentAtOnce += 1;
  }
}

function inOrder(requests: readonly Request[]): { at: number; request: Request; isTyping: boolean }[] {
  const asked = requests.map((request) => ({ at: request.at, request, isTyping: false }));
  const typed = requests.flatMap((request) =>
    request.typedAt === null ? [] : [{ at: request.typedAt, request, isTyping: true }],
  );
  return [...asked, ...typed].sort((a, b) => a.at - b.at);
}

class MapStates implements ScopeStates {
  private readonly states = new Map<string, ScopeState>();

  of(scope: string): ScopeState {
    const state = this.states.get(scope) ?? newScopeState();
    if (!this.states.has(scope)) this.states.set(scope, state);
    return state;
  }
}
