import {
  type Attackers,
  attackRequest,
  attackRequests,
  FOREIGN,
  genuineRequests,
  HOME,
  numberIn,
  type Request,
  randomNumber,
  type Span,
  USUAL_ATTACKERS,
} from './population.js';
import type { Random } from './random.js';

export interface Scenario {
  readonly name: string;
  /** Length of the scenario, after the warm-up. */
  readonly hours: number;
  /** Genuine sign-ins in an hour of the warm-up. */
  readonly genuinePerHour: number;
  readonly allowedCountries?: readonly string[];
  /** The requests after the warm-up hours, whose genuine traffic gives every scope a history. */
  readonly requests: (random: Random, scale: number) => Request[];
}

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
/** An arbitrary time, on a full hour. */
export const START = Date.UTC(2026, 0, 1);
export const WARM_UP_HOURS = 2;
export const ATTACK_START = START + WARM_UP_HOURS * HOUR_MS;
const BURST: Span = { from: ATTACK_START, lengthMs: 10 * MINUTE_MS };
const GENUINE_PER_HOUR = 20_000;
/** In scenarios of days. */
const FEWER_PER_HOUR = 1_000;
const ATTACK_PER_HOUR = 60_000;
const DAY = 24;
const BLOCKS_PER_HOUR = 1_620;
const MESSAGES_PER_BLOCK = 20;
/** Has no factor in common with the number of blocks, so that a walk visits all of them, far from one another. */
const STRIDE = 1_237;

const REGION = 123;
const NEW_CUSTOMERS_PER_HOUR = 60;

const usual = { hours: 1, genuinePerHour: GENUINE_PER_HOUR };

/** Every attack that was ever found to work, beside the genuine traffic that it hides in. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...usual,
    name: 'genuine_burst',
    requests: (random, scale) => genuineRequests(random, GENUINE_PER_HOUR * scale, BURST, 0),
  },
  {
    ...usual,
    name: 'five_sequential_blocks',
    requests: (random, scale) => [
      ...genuineFor(random, usual, scale),
      ...attackOnBlocks(random, ATTACK_PER_HOUR * scale, hoursOf(1)),
    ],
  },
  { ...usual, name: 'one_foreign_country', requests: attackAbroad },
  { ...usual, name: 'refused_country', allowedCountries: [HOME.code], requests: attackAbroad },
  {
    ...usual,
    name: 'random_home_numbers',
    requests: (random, scale) => [...genuineFor(random, usual, scale), ...attackAtHome(random, scale)],
  },
  {
    ...usual,
    name: 'hidden_in_a_burst',
    requests: (random, scale) => [
      ...genuineRequests(random, GENUINE_PER_HOUR * scale, BURST, 0),
      ...attackRequests(random, 10_000 * scale, BURST, () => randomNumber(random, HOME), HOME),
    ],
  },
  {
    ...usual,
    name: 'numbers_seen_before',
    requests: (random, scale) => [
      ...genuineRequests(random, GENUINE_PER_HOUR * scale, hoursOf(1), 1),
      ...attackOnBlocks(random, ATTACK_PER_HOUR * scale, hoursOf(1)),
      ...attackAtHome(random, scale),
    ],
  },
  {
    ...usual,
    name: 'proofs_solved',
    requests: (random, scale) => [
      ...genuineFor(random, usual, scale),
      ...attackAtHome(random, scale, { ...USUAL_ATTACKERS, solveProofs: true }),
    ],
  },
  walk('walk', { networks: 3_000, solveProofs: false }),
  walk('walk_without_touch', { networks: 3_000, solveProofs: false }, { touched: false }),
  walk('walk_with_proofs', { networks: 1_500, solveProofs: true }),
  walk('walk_many_networks', { networks: 5_000, solveProofs: true }),
  walk('walk_of_four_hours', { networks: 3_000, solveProofs: true }, { hours: 4, genuinePerHour: 10_000 }),
  walk('walk_from_everywhere', { networks: 90_000, solveProofs: true }),
  walk(
    'walk_in_threes',
    { networks: 20_000, solveProofs: true },
    { blocksPerHour: 8_505, messagesPerBlock: 3 },
  ),
  walk(
    'walk_that_returns',
    { networks: 5_000, solveProofs: true },
    { blocksPerHour: 50_000, messagesPerBlock: 1, touched: false },
  ),
  walk(
    'walk_that_returns_from_everywhere',
    { networks: 90_000, solveProofs: true },
    { blocksPerHour: 60_000, messagesPerBlock: 1, touched: false },
  ),
  walk(
    'walk_of_single_messages',
    { networks: 90_000, solveProofs: true },
    { blocksPerHour: 10_000, messagesPerBlock: 1, touched: false },
  ),
  walk('walk_in_ipv6_32', { networks: 'ipv6_32', solveProofs: true }),
  {
    name: 'five_blocks_for_a_day',
    hours: DAY,
    genuinePerHour: FEWER_PER_HOUR,
    requests: (random, scale) => [
      ...genuineFor(random, { hours: DAY, genuinePerHour: FEWER_PER_HOUR }, scale),
      ...attackOnBlocks(random, ATTACK_PER_HOUR * scale, hoursOf(DAY), {
        ...USUAL_ATTACKERS,
        solveProofs: true,
      }),
    ],
  },
  {
    name: 'five_blocks_for_four_days',
    hours: 4 * DAY,
    genuinePerHour: FEWER_PER_HOUR,
    requests: (random, scale) => [
      ...genuineFor(random, { hours: 4 * DAY, genuinePerHour: FEWER_PER_HOUR }, scale),
      ...patientAttackOnBlocks(random, scale),
    ],
  },
  walk(
    'walk_of_four_days',
    { networks: 3_000, solveProofs: true },
    { hours: 4 * DAY, genuinePerHour: FEWER_PER_HOUR, blocksPerHour: 16 },
  ),
  {
    name: 'forty_verified_numbers',
    hours: DAY,
    genuinePerHour: FEWER_PER_HOUR,
    requests: (random, scale) => [
      ...genuineFor(random, { hours: DAY, genuinePerHour: FEWER_PER_HOUR }, scale),
      ...verifiedNumbersAskedAgain(random),
    ],
  },
  { name: 'one_region', hours: 12, genuinePerHour: FEWER_PER_HOUR, requests: attackOnRegion },
];

function hoursOf(hours: number): Span {
  return { from: ATTACK_START, lengthMs: hours * HOUR_MS };
}

function genuineFor(
  random: Random,
  { hours, genuinePerHour }: Pick<Scenario, 'hours' | 'genuinePerHour'>,
  scale: number,
): Request[] {
  return genuineRequests(random, hours * genuinePerHour * scale, hoursOf(hours));
}

/** One block of 10,000 numbers after another. */
function attackOnBlocks(random: Random, count: number, span: Span, attackers = USUAL_ATTACKERS): Request[] {
  const blocks = Array.from({ length: 5 }, () => random.below(HOME.blocks));
  const numberOf = (n: number) =>
    numberIn(HOME, blocks[Math.floor((n / count) * blocks.length)] as number, n % 10_000);
  return attackRequests(random, count, span, numberOf, HOME, attackers);
}

/** The same five blocks on all four days, each day as often as their limits allow. */
function patientAttackOnBlocks(random: Random, scale: number): Request[] {
  const blocks = Array.from({ length: 5 }, () => random.below(HOME.blocks));
  const numberOf = (n: number) => numberIn(HOME, blocks[n % blocks.length] as number, n % 10_000);
  const attackers = { networks: 3_000, solveProofs: true };
  return attackRequests(random, 40_000 * scale, hoursOf(4 * DAY), numberOf, HOME, attackers);
}

function attackAtHome(random: Random, scale: number, attackers = USUAL_ATTACKERS): Request[] {
  const numberOf = () => randomNumber(random, HOME);
  return attackRequests(random, ATTACK_PER_HOUR * scale, hoursOf(1), numberOf, HOME, attackers);
}

function attackAbroad(random: Random, scale: number): Request[] {
  const numberOf = () => randomNumber(random, FOREIGN);
  return [
    ...genuineFor(random, usual, scale),
    ...attackRequests(random, ATTACK_PER_HOUR * scale, hoursOf(1), numberOf, FOREIGN),
  ];
}

interface Walk {
  readonly hours?: number;
  readonly genuinePerHour?: number;
  readonly blocksPerHour?: number;
  readonly messagesPerBlock?: number;
  /** A minute later the attacker sends one more request to each block, so that the block trips. */
  readonly touched?: boolean;
}

/** As many messages to each block as it may have unsettled, then the next block. */
function walk(
  name: string,
  attackers: Attackers,
  {
    hours = 1,
    genuinePerHour = GENUINE_PER_HOUR,
    blocksPerHour = BLOCKS_PER_HOUR,
    messagesPerBlock = MESSAGES_PER_BLOCK,
    touched = true,
  }: Walk = {},
): Scenario {
  const requests = (random: Random, scale: number) => {
    const count = Math.round(hours * blocksPerHour * scale);
    const visits = Array.from({ length: count }, (_, i) => {
      const at = ATTACK_START + (i / count) * hours * HOUR_MS;
      const block = (i * STRIDE) % HOME.blocks;
      const requestAt = (time: number, line: number) =>
        attackRequest(random, time, numberIn(HOME, block, line), HOME, attackers);
      const messages = Array.from({ length: messagesPerBlock }, (_, line) => requestAt(at, line));
      return touched ? [...messages, requestAt(at + MINUTE_MS + 2_000, messagesPerBlock)] : messages;
    });
    return [...genuineFor(random, { hours, genuinePerHour }, scale), ...visits.flat()];
  };
  return { name, hours, genuinePerHour, requests };
}

/** Forty numbers of one block sign in once each, and then ask for messages on known and on unknown devices. */
function verifiedNumbersAskedAgain(random: Random): Request[] {
  const block = random.below(HOME.blocks);
  const attackers = { networks: 250, solveProofs: true };
  return Array.from({ length: 40 }, (_, line) => {
    const requestAt = (at: number) => attackRequest(random, at, numberIn(HOME, block, line), HOME, attackers);
    const from = ATTACK_START + line * 6_000;
    const verified = { ...requestAt(from), typedAt: from + 20_000 };
    const again = Array.from({ length: 2 * (DAY - 1) }, (_, i) => {
      const later = { ...requestAt(from + (1 + i * 30) * MINUTE_MS), known: true };
      return [later, { ...later, at: later.at + MINUTE_MS, device: true }];
    });
    return [verified, ...again.flat()];
  }).flat();
}

/** Sixty messages to a range of 100,000 numbers at once, then more of them with proofs. Genuine sign-ins are new there. */
function attackOnRegion(random: Random, scale: number): Request[] {
  const numberOf = () => numberIn(HOME, REGION * 10 + random.below(10), random.below(10_000));
  const customers = 12 * NEW_CUSTOMERS_PER_HOUR * scale;
  const minute = { from: ATTACK_START, lengthMs: MINUTE_MS / 2 };
  const attackers = { networks: 8, solveProofs: true };
  return [
    ...genuineRequests(random, customers, hoursOf(12), 0, numberOf),
    ...attackRequests(random, 60, minute, numberOf, HOME, attackers),
    ...attackRequests(random, 12 * 12, hoursOf(12), numberOf, HOME, attackers),
  ];
}
