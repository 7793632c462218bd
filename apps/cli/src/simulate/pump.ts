import {
  type Admitted,
  admit,
  newScopeState,
  type Policy,
  recordVerified,
  type ScopeState,
  type ScopeStates,
} from '#abuse';
import {
  attackRequests,
  FOREIGN,
  genuineRequests,
  HOME,
  numberIn,
  type Request,
  randomNumber,
  type Span,
} from './population.js';
import { Random } from './random.js';

export interface PumpOutcome {
  readonly name: string;
  readonly genuine: { offered: number; sentAtOnce: number; sentAfterProof: number; blocked: number };
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

interface Scenario {
  readonly name: string;
  readonly allowedCountries?: readonly string[];
  /** The requests after the warm-up hours, whose genuine traffic gives every scope a history. */
  readonly requests: (random: Random, scale: number) => Request[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** An arbitrary time, on a full hour. */
const START = Date.UTC(2026, 0, 1);
const WARM_UP_HOURS = 2;
const ATTACK_START = START + WARM_UP_HOURS * HOUR_MS;
const HOUR: Span = { from: ATTACK_START, lengthMs: HOUR_MS };
const BURST: Span = { from: ATTACK_START, lengthMs: 10 * MINUTE_MS };
const GENUINE_PER_HOUR = 20_000;
const ATTACK_PER_HOUR = 60_000;

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'genuine_burst',
    requests: (random, scale) => genuineRequests(random, GENUINE_PER_HOUR * scale, BURST, 0),
  },
  {
    name: 'five_sequential_blocks',
    requests: (random, scale) => [...genuineHour(random, scale), ...attackOnBlocks(random, scale)],
  },
  { name: 'one_foreign_country', requests: attackAbroad },
  { name: 'refused_country', allowedCountries: [HOME.code], requests: attackAbroad },
  {
    name: 'random_home_numbers',
    requests: (random, scale) => [...genuineHour(random, scale), ...attackAtHome(random, scale)],
  },
  {
    name: 'hidden_in_a_burst',
    requests: (random, scale) => [
      ...genuineRequests(random, GENUINE_PER_HOUR * scale, BURST, 0),
      ...attackRequests(random, 10_000 * scale, BURST, () => randomNumber(random, HOME), HOME),
    ],
  },
  {
    name: 'numbers_seen_before',
    requests: (random, scale) => [
      ...genuineRequests(random, GENUINE_PER_HOUR * scale, HOUR, 1),
      ...attackOnBlocks(random, scale),
      ...attackAtHome(random, scale),
    ],
  },
  {
    name: 'proofs_solved',
    requests: (random, scale) => [...genuineHour(random, scale), ...attackAtHome(random, scale, true)],
  },
];

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
    ...genuineRequests(random, WARM_UP_HOURS * GENUINE_PER_HOUR * scale, warmUp),
    ...scenario.requests(random, scale),
  ];
  const outcome: PumpOutcome = {
    name: scenario.name,
    genuine: { offered: 0, sentAtOnce: 0, sentAfterProof: 0, blocked: 0 },
    attack: { offered: 0, paid: 0, hashes: 0 },
    minutes: { genuine: Array(60).fill(0), attack: Array(60).fill(0) },
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
  { scopes, known, device, at, solvesProofs }: Request,
): Answer {
  const decide = (proven: boolean) =>
    admit(policy, states, { scopes, knownNumber: known, knownDevice: device, proven }, at);
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
  { side, at }: Request,
  { admitted, hashes }: Answer,
): void {
  const minute = Math.floor((at - ATTACK_START) / MINUTE_MS);
  if (admitted) minutes[side][minute] = (minutes[side][minute] ?? 0) + 1;
  if (side === 'attack') {
    attack.offered += 1;
    attack.hashes += hashes;
    if (admitted) attack.paid += 1;
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

function genuineHour(random: Random, scale: number): Request[] {
  return genuineRequests(random, GENUINE_PER_HOUR * scale, HOUR);
}

function attackOnBlocks(random: Random, scale: number): Request[] {
  const count = ATTACK_PER_HOUR * scale;
  const blocks = Array.from({ length: 5 }, () => random.below(HOME.blocks));
  const numberOf = (n: number) =>
    numberIn(HOME, blocks[Math.floor((n / count) * blocks.length)] as number, n % 10_000);
  return attackRequests(random, count, HOUR, numberOf, HOME);
}

function attackAtHome(random: Random, scale: number, solvesProofs = false): Request[] {
  return attackRequests(
    random,
    ATTACK_PER_HOUR * scale,
    HOUR,
    () => randomNumber(random, HOME),
    HOME,
    solvesProofs,
  );
}

function attackAbroad(random: Random, scale: number): Request[] {
  const numberOf = () => randomNumber(random, FOREIGN);
  return [
    ...genuineHour(random, scale),
    ...attackRequests(random, ATTACK_PER_HOUR * scale, HOUR, numberOf, FOREIGN),
  ];
}

class MapStates implements ScopeStates {
  private readonly states = new Map<string, ScopeState>();

  of(scope: string): ScopeState {
    const state = this.states.get(scope) ?? newScopeState();
    if (!this.states.has(scope)) this.states.set(scope, state);
    return state;
  }
}
