import { type Grounds, refusalOf, tellsUnknownNumber } from './refusal.js';

const SEND = { outcome: 'send' } as const;
const BY_ADDRESS = { outcome: 'step_up', scope: 'address:192.0.2.1', hashes: 20_000 } as const;
const BY_RANGE = { outcome: 'suspend', scope: 'numbers_10k:+1212555', retryAfterMs: 1_000 } as const;
const BY_COUNTRY = { outcome: 'suspend', scope: 'country:US', retryAfterMs: 1_000 } as const;
const PROOF_BY_COUNTRY = { outcome: 'step_up', scope: 'country:US', hashes: 20_000 } as const;
const LIMIT = { limit: 'cool_down', msLeft: 1_000 } as const;

describe('refusalOf', () => {
  it.each<[string, Grounds, string | null]>([
    ['nothing', { verdict: SEND, limit: null, needsProof: false }, null],
    ['a contested number', { verdict: SEND, limit: null, needsProof: true }, 'contest'],
    ['a limit, before the contest', { verdict: SEND, limit: LIMIT, needsProof: true }, 'limit'],
    [
      'a scope of the requester, before the limits',
      { verdict: BY_ADDRESS, limit: LIMIT, needsProof: true },
      'breaker',
    ],
    ['a number range, after the limits', { verdict: BY_RANGE, limit: LIMIT, needsProof: false }, 'limit'],
    ['a number range, after the contest', { verdict: BY_RANGE, limit: null, needsProof: true }, 'contest'],
    [
      'the budget of new networks, after the limits',
      { verdict: BY_COUNTRY, limit: LIMIT, needsProof: false },
      'limit',
    ],
    ['a number range alone', { verdict: BY_RANGE, limit: null, needsProof: false }, 'breaker'],
  ])('chooses for %s', (_, grounds, by) => {
    expect(refusalOf(grounds)?.by ?? null).toBe(by);
  });
});

describe('tellsUnknownNumber', () => {
  it.each([
    [true, { by: 'breaker', verdict: BY_RANGE }],
    [true, { by: 'breaker', verdict: BY_COUNTRY }],
    [false, { by: 'breaker', verdict: PROOF_BY_COUNTRY }],
    [false, { by: 'breaker', verdict: BY_ADDRESS }],
    [false, { by: 'limit', limit: LIMIT }],
    [false, { by: 'spending', obstacle: 'spend_per_day' }],
  ] as const)('is %s for %j', (expected, refusal) => {
    expect(tellsUnknownNumber(refusal)).toBe(expected);
  });
});
