import { isStale } from './sessions.js';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const RECEIVED = Date.parse('2026-11-26T12:00:00Z');

describe('A stored token', () => {
  it.each([
    ['is kept while it is valid', 48 * HOUR, 47 * HOUR, false],
    ['is exchanged a minute before it expires', 48 * HOUR, 48 * HOUR - 60 * SECOND, true],
    ['is kept until then', 48 * HOUR, 48 * HOUR - 61 * SECOND, false],
    ['is exchanged when it has expired', 48 * HOUR, 50 * HOUR, true],
    ['with a short life is kept for nine tenths of it', 60 * SECOND, 53 * SECOND, false],
    ['with a short life is exchanged then', 60 * SECOND, 54 * SECOND, true],
    ['that seems to have expired on arrival is kept: the clock is wrong', -2 * HOUR, SECOND, false],
    ['is kept when the clock was set back', 48 * HOUR, -HOUR, false],
  ])('%s', (_, lifetimeMs, ageMs, stale) => {
    const expires_at = new Date(RECEIVED + lifetimeMs).toISOString();
    expect(isStale({ expires_at, received_at: RECEIVED }, RECEIVED + ageMs)).toBe(stale);
  });
});
