import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DEFAULT_POLICY, type Policy } from '#abuse';
import { isFullScale } from '../../../../test/support/scale.js';
import { drawGuessing, drawPumping } from './charts.js';
import { simulateGuessing } from './guess.js';
import { guessJson, guessTable } from './guess-report.js';
import { mostPaid, simulatePumping } from './pump.js';
import { pumpJson, pumpTable } from './pump-report.js';

const SEEDS = isFullScale ? [1, 2, 3] : [1];
/** Budgets do not shrink with the traffic: at a tenth of it the attacker may get as many messages as at full scale. */
const SCALE = 0.1;

function pumped(only: string, seed: number, policy: Policy = DEFAULT_POLICY) {
  const [outcome] = simulatePumping({ policy, seed, scale: SCALE, only: [only] });
  if (!outcome) throw new Error(`no scenario named ${only}`);
  return outcome;
}

describe('simulated pumping', () => {
  it.each(SEEDS)('sends every message of a genuine burst at once (seed %i)', (seed) => {
    const { genuine } = pumped('genuine_burst', seed);
    expect(genuine.sentAtOnce / genuine.offered).toBeGreaterThanOrEqual(0.999);
  });

  it.each([
    ['five_sequential_blocks', 150],
    ['one_foreign_country', 897],
    ['refused_country', 0],
    ['random_home_numbers', 2_000],
  ])('in %s gets at most %i messages', (name, most) => {
    for (const seed of SEEDS) expect(pumped(name, seed).attack.paid).toBeLessThanOrEqual(most);
  });

  it.each(SEEDS)('never blocks a number that has signed in before (seed %i)', (seed) => {
    const { genuine } = pumped('numbers_seen_before', seed);
    expect(genuine.offered).toBe(2_000);
    expect(genuine.blocked).toBe(0);
  });

  it.each([
    ['walk', 1, 1_500],
    ['walk_many_networks', 1, 1_500],
    ['walk_of_four_hours', 1, 1_500],
    ['walk_in_ipv6_32', 1, 1_500],
    ['five_blocks_for_a_day', 24, 150],
    ['five_blocks_for_four_days', 24, 150],
    ['forty_verified_numbers', 24, 100],
  ])('in %s pays at most as much in %i hours as allowed, and lets 99 %% of users in', (name, hours, most) => {
    for (const seed of SEEDS) {
      const outcome = pumped(name, seed);
      expect(mostPaid(outcome, hours)).toBeLessThanOrEqual(most);
      expect(outcome.attack.paid).toBeGreaterThan(0);
      expect(outcome.genuine.blocked / outcome.genuine.offered).toBeLessThanOrEqual(0.01);
    }
  });

  it.each(['walk_in_threes', 'walk_that_returns_from_everywhere'])(
    'in %s, at full scale, pays at most 1,500 in an hour, and lets 99 %% of users in',
    (name) => {
      for (const seed of SEEDS) {
        const [outcome] = simulatePumping({ policy: DEFAULT_POLICY, seed, only: [name] });
        if (!outcome) throw new Error(`no scenario named ${name}`);
        expect(mostPaid(outcome, 1)).toBeLessThanOrEqual(1_500);
        expect(outcome.genuine.blocked / outcome.genuine.offered).toBeLessThanOrEqual(0.01);
      }
    },
    120_000,
  );

  it('admits new customers of a region after an attack on it, at most with a proof', () => {
    for (const seed of SEEDS) {
      const { genuine } = pumped('one_region', seed);
      expect(genuine.blocked / genuine.offered).toBeLessThanOrEqual(0.03);
    }
  });

  it('gives the same result for the same seed, and another for another seed', () => {
    const paid = (seed: number) => pumped('random_home_numbers', seed).minutes;
    expect(paid(1)).toEqual(paid(1));
    expect(paid(1)).not.toEqual(paid(2));
  });

  it('gets more messages when the policy allows more losses', () => {
    const { breaker } = DEFAULT_POLICY;
    const careless = { lose: 100, pending: 200 };
    const policy = {
      ...DEFAULT_POLICY,
      breaker: {
        ...breaker,
        numbers10k: { ...breaker.numbers10k, ...careless },
        numbers100k: { ...breaker.numbers100k, ...careless },
        country: { ...breaker.country, crowd: 10_000 },
      },
    };
    const careful = pumped('five_sequential_blocks', 1).attack.paid;
    expect(pumped('five_sequential_blocks', 1, policy).attack.paid).toBeGreaterThan(2 * careful);
  });
});

describe('simulated guessing', () => {
  const guessed = (policy: Policy) => simulateGuessing({ policy, seed: 1, scale: 0.02 });
  const outcomes = guessed(DEFAULT_POLICY);
  const [latchkey] = outcomes;

  it('takes over an attacked account less than once in 100,000 years', () => {
    expect(latchkey?.takeoversPerAccountYear).toBeGreaterThan(1e-6);
    expect(latchkey?.takeoversPerAccountYear).toBeLessThan(1e-5);
  });

  it('lets the owner sign in on a known device', () => {
    expect(latchkey?.ownerSuccess).toBeGreaterThanOrEqual(0.999);
  });

  it('does not lengthen codes without an attack', () => {
    expect(latchkey?.longerCodesWhenCalm).toBeLessThan(0.001);
  });

  it('takes over 19.7 % of accounts in a year at five tries and five codes an hour', () => {
    const peer = outcomes.find(({ name }) => name === 'five_tries_five_codes_an_hour');
    expect(peer?.takeoversPerAccountYear).toBeCloseTo(0.197, 2);
  });

  it('takes over more accounts when more short guesses are compared', () => {
    const guesses = {
      ...DEFAULT_POLICY.guesses,
      shortGuessesPerYear: 50,
      eightDigitsFrom: 50,
      tenCharactersFrom: 60,
    };
    const [careless] = guessed({ ...DEFAULT_POLICY, guesses });
    expect(careless?.takeoversPerAccountYear).toBeGreaterThan(2 * (latchkey?.takeoversPerAccountYear ?? 1));
  });
});

describe('the output of a simulation', () => {
  const guess = simulateGuessing({ policy: DEFAULT_POLICY, seed: 1, scale: 0.005 });
  const pump = simulatePumping({
    policy: DEFAULT_POLICY,
    seed: 1,
    scale: 0.005,
    only: ['genuine_burst', 'refused_country', 'hidden_in_a_burst'],
  });
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-charts-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has stable member names in JSON', () => {
    expect(JSON.parse(pumpJson(pump)).scenarios[1]).toEqual({
      name: 'refused_country',
      hours: 1,
      genuine: { offered: 100, sent: expect.any(Number) },
      attack: { offered: 300, paid: 0, most_paid_in_an_hour: 0, most_paid_in_a_day: 0 },
    });
    expect(JSON.parse(guessJson(guess)).policies[0]).toEqual({
      name: 'latchkey',
      takeovers_per_account_year: expect.any(Number),
      owner_success: expect.any(Number),
      owner_success_new_device: expect.any(Number),
      longer_codes_when_calm: expect.any(Number),
    });
  });

  it('has one row for each scenario and policy in tables', () => {
    expect(pumpTable(pump)).toMatch(/^scenario .+\ngenuine_burst .+\nrefused_country .+\nhidden_in_a_burst /);
    expect(guessTable(guess)).toMatch(/^policy .+\nlatchkey .+\nfive_tries_five_codes_an_hour /);
  });

  it('includes charts in bench/results of the project folder', async () => {
    await drawPumping(folder, pump);
    await drawGuessing(folder, guess);
    const chart = (name: string) => readFileSync(path.join(folder, `bench/results/${name}.svg`), 'utf8');
    expect(chart('pump')).toMatch(/^<svg .*hidden_in_a_burst: .*<\/svg>$/s);
    expect(chart('guess')).toMatch(/^<svg .*five_tries_five_codes_an_hour.*<\/svg>$/s);
  });
});
