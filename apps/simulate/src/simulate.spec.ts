import { DEFAULT_POLICY, type Policy } from '#abuse';
import { simulateGuessing } from './guess.js';
import { simulatePumping } from './pump.js';

const SEEDS = [1, 2];
/** Budgets do not shrink with the traffic, so at a tenth of it the attacker may be paid as much as at full scale. */
const SCALE = 0.1;

function pumped(only: string, seed: number, policy: Policy = DEFAULT_POLICY) {
  const [outcome] = simulatePumping({ policy, seed, scale: SCALE, only: [only] });
  if (!outcome) throw new Error(`no scenario is called ${only}`);
  return outcome;
}

describe('Pumping', () => {
  it.each(SEEDS)('leaves a genuine burst untouched (seed %i)', (seed) => {
    const { genuine } = pumped('genuine_burst', seed);
    expect(genuine.sentAtOnce / genuine.offered).toBeGreaterThanOrEqual(0.999);
  });

  it.each([
    ['five_sequential_blocks', 150],
    ['one_foreign_country', 897],
    ['refused_country', 0],
    ['random_home_numbers', 2_000],
  ])('in %s is paid %i messages at most', (name, most) => {
    for (const seed of SEEDS) expect(pumped(name, seed).attack.paid).toBeLessThanOrEqual(most);
  });

  it.each(SEEDS)('blocks nobody whose number signed in before (seed %i)', (seed) => {
    const { genuine } = pumped('numbers_seen_before', seed);
    expect(genuine.offered).toBe(2_000);
    expect(genuine.blocked).toBe(0);
  });

  it('comes out the same for the same seed, and not for another', () => {
    const paid = (seed: number) => pumped('random_home_numbers', seed).minutes;
    expect(paid(1)).toEqual(paid(1));
    expect(paid(1)).not.toEqual(paid(2));
  });

  it('is paid more where more may be lost', () => {
    const { breaker } = DEFAULT_POLICY;
    const careless = { lose: 100, pending: 200 };
    const policy = {
      ...DEFAULT_POLICY,
      breaker: {
        ...breaker,
        numbers10k: { ...breaker.numbers10k, ...careless },
        numbers100k: { ...breaker.numbers100k, ...careless },
      },
    };
    const careful = pumped('five_sequential_blocks', 1).attack.paid;
    expect(pumped('five_sequential_blocks', 1, policy).attack.paid).toBeGreaterThan(2 * careful);
  });
});

describe('Guessing', () => {
  const guessed = (policy: Policy) => simulateGuessing({ policy, seed: 1, scale: 0.02 });
  const outcomes = guessed(DEFAULT_POLICY);
  const [latchkey] = outcomes;

  it('takes an attacked account over less than once in 100,000 years', () => {
    expect(latchkey?.takeoversPerAccountYear).toBeGreaterThan(1e-6);
    expect(latchkey?.takeoversPerAccountYear).toBeLessThan(1e-5);
  });

  it('keeps no owner out on a device that is known', () => {
    expect(latchkey?.ownerSuccess).toBeGreaterThanOrEqual(0.999);
  });

  it('lengthens no codes when nobody attacks', () => {
    expect(latchkey?.longerCodesWhenCalm).toBeLessThan(0.001);
  });

  it('takes over 19.7 % in a year at five tries and five codes an hour', () => {
    const peer = outcomes.find(({ name }) => name === 'five_tries_five_codes_an_hour');
    expect(peer?.takeoversPerAccountYear).toBeCloseTo(0.197, 2);
  });

  it('succeeds more often where more short guesses are compared', () => {
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
