import { RecentRefusals } from './recent-refusals.js';

const NOW = Date.parse('2027-01-31T12:00:00Z');
const ASKED = { phoneIndex: 'a number', client: '192.0.2.1' };

describe('RecentRefusals', () => {
  const rememberedFor = (msLeft: number) => {
    const refusals = new RecentRefusals();
    refusals.remember(ASKED, { limit: 'cool_down', msLeft }, NOW);
    return refusals;
  };

  it.each([
    ['at once', 30_000, 0, 30_000],
    ['with the time that is left', 30_000, 400, 29_600],
    ['until a second has passed', 30_000, 999, 29_001],
    ['no longer than a second', 30_000, 1_000, null],
    ['until the limit ends', 300, 299, 1],
    ['not after the limit has ended', 300, 300, null],
    ['not after the clock was set back', 30_000, -1, null],
  ])('repeats a refusal %s', (_, msLeft, ageMs, expected) => {
    const found = rememberedFor(msLeft).find(ASKED, NOW + ageMs);
    expect(found).toEqual(expected === null ? null : { limit: 'cool_down', msLeft: expected });
  });

  it.each([
    ['number', { phoneIndex: 'another number' }],
    ['address', { client: '192.0.2.2' }],
  ])('repeats none for another %s', (_, other) => {
    expect(rememberedFor(30_000).find({ ...ASKED, ...other }, NOW)).toBeNull();
  });
});
