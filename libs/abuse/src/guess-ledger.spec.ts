import fc from 'fast-check';
import {
  abandon,
  codeLengthFor,
  delayMs,
  deviceGuess,
  forgive,
  type Gauge,
  type Guessable,
  isRaised,
  isTrusted,
  newGauge,
  newGuessRecord,
  strangerGuess,
} from './guess-ledger.js';
import { DEFAULT_POLICY as policy } from './policy.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const NOW = Date.UTC(2026, 0, 5, 12);
const today = Math.floor(NOW / DAY);

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));
const foreign = (...at: number[]) => ({ open: [], foreign: at });

let ids = 0;
function verification(codeLength = 6, expiresAt = NOW + 5 * MINUTE, maxAttempts = 5): Guessable {
  ids += 1;
  return { id: String(ids), by: '', codeLength, maxAttempts, expiresAt };
}

describe('a guess', () => {
  it('is foreign once its verification expired, and dated as it was made', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    strangerGuess(policy, record, gauge, opened, NOW);
    strangerGuess(policy, record, gauge, opened, NOW + 1_000);
    codeLengthFor(policy, record, gauge, 6, opened.expiresAt - 1);
    expect(record.foreign).toEqual([]);
    codeLengthFor(policy, record, gauge, 6, opened.expiresAt);
    expect(record).toEqual({ open: [], foreign: [NOW + 1_000, NOW + 1_000] });
  });

  it('is foreign once its verification was given up, and then no success forgives it', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    strangerGuess(policy, record, gauge, opened, NOW);
    abandon(record, opened.id, NOW + 1);
    forgive(record, gauge, opened, NOW + 2);
    expect(record).toEqual({ open: [], foreign: [NOW] });
    expect(gauge.days).toEqual([[today, 1]]);
  });

  it('is forgiven by the success of its own verification, and by no other', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const [owners, strangers] = [verification(), verification()];
    for (const opened of [owners, strangers, owners, strangers, strangers])
      strangerGuess(policy, record, gauge, opened, NOW);
    forgive(record, gauge, owners, NOW);
    expect(record.open).toMatchObject([{ id: strangers.id, guesses: 3 }]);
    expect(gauge.days).toEqual([[today, 3]]);
  });

  it('may be the last and still be right', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 5; i += 1) strangerGuess(policy, record, gauge, opened, NOW);
    forgive(record, gauge, opened, NOW + 9_000);
    expect(record).toEqual({ open: [], foreign: [] });
  });

  it('is not counted once more than there are attempts: the store has none left for it', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 50; i += 1)
      expect(strangerGuess(policy, record, gauge, opened, NOW)).toEqual({ outcome: 'compare' });
    expect(record.open).toMatchObject([{ guesses: 5 }]);
  });

  it('of somebody else at the same verification is not forgiven with its success', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const owners = verification();
    const anothers = { ...owners, by: 'another client' };
    strangerGuess(policy, record, gauge, owners, NOW);
    for (let i = 0; i < 3; i += 1) strangerGuess(policy, record, gauge, anothers, NOW + 1_000);
    forgive(record, gauge, owners, NOW + 2_000);
    expect(record).toEqual({ open: [], foreign: times(3, () => NOW + 1_000) });
    expect(gauge.days).toEqual([[today, 3]]);
  });

  it('of the last attempt ends it for everybody who guesses at it', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (const by of ['a', 'b', 'c', 'a', 'b']) strangerGuess(policy, record, gauge, { ...opened, by }, NOW);
    codeLengthFor(policy, record, gauge, 6, NOW + 10_000);
    expect(record).toEqual({ open: [], foreign: times(5, () => NOW) });
  });

  it('ends the verification when it is the last', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 5; i += 1) strangerGuess(policy, record, gauge, opened, NOW);
    expect(codeLengthFor(policy, record, gauge, 6, NOW + 10_000)).toBe(8);
  });

  it('is forgotten after a year', () => {
    const record = foreign(...times(5, () => NOW));
    expect(codeLengthFor(policy, record, newGauge(), 6, NOW + YEAR - 1)).toBe(8);
    expect(codeLengthFor(policy, record, newGauge(), 6, NOW + YEAR)).toBe(6);
    expect(record.foreign).toEqual([]);
  });
});

describe('strangers', () => {
  it.each([
    ['an hour', 9, HOUR - 1, 0],
    ['an hour', 10, HOUR - 1, 960],
    ['an hour', 10, HOUR, 0],
    ['an hour', 11, HOUR - 1, 1_920],
    ['an hour', 12, HOUR - 1, 3_600],
    ['a day', 19, DAY - 1, 0],
    ['a day', 20, DAY - 1, 3_600],
    ['a day', 20, DAY, 0],
    ['a year', 79, YEAR - 1, 0],
    ['a year', 80, YEAR - 1, 3_600],
    ['a year', 80, YEAR, 0],
  ])('who guessed within %s %d times, %d ms ago, wait %d s', (_, guesses, agoMs, seconds) => {
    expect(delayMs(policy, foreign(...times(guesses, () => NOW - agoMs)), NOW)).toBe(seconds * 1_000);
  });

  it('wait since the last guess, and then may go on', () => {
    const [record, gauge] = [foreign(...times(10, () => NOW - MINUTE)), newGauge()];
    const opened = verification(8, NOW + HOUR);
    expect(strangerGuess(policy, record, gauge, opened, NOW)).toEqual({
      outcome: 'wait',
      waitMs: 15 * MINUTE,
    });
    expect(record.open).toEqual([]);
    expect(strangerGuess(policy, record, gauge, opened, NOW + 15 * MINUTE)).toEqual({ outcome: 'compare' });
  });

  it.each([
    [0, 6],
    [4, 6],
    [5, 8],
    [19, 8],
    [20, 10],
    [100, 10],
  ])('get after %d foreign guesses codes of length %d', (guesses, length) => {
    const record = foreign(...times(guesses, () => NOW - 2 * DAY));
    expect(codeLengthFor(policy, record, newGauge(), 6, NOW)).toBe(length);
  });

  it('get a long code when nine guesses are under way, which would use a short one up', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = times(9, () => verification());
    for (const each of opened) {
      expect(codeLengthFor(policy, record, gauge, 6, NOW)).toBe(6);
      strangerGuess(policy, record, gauge, each, NOW);
    }
    expect(codeLengthFor(policy, record, gauge, 6, NOW)).toBe(8);
    expect(strangerGuess(policy, record, gauge, verification(), NOW)).toEqual({ outcome: 'exhausted' });
    expect(strangerGuess(policy, record, gauge, verification(8), NOW)).toEqual({ outcome: 'compare' });
  });

  it('never have more than nine short guesses in a year, and leave no more than a hundred', () => {
    const step = fc.record({
      which: fc.nat({ max: 30 }),
      does: fc.constantFrom('guess', 'guess', 'guess', 'abandon'),
      long: fc.constantFrom(...times(15, () => false), true),
      waitMs: fc.constantFrom(0, 0, 0, 1_000, 6 * MINUTE, HOUR, DAY, 40 * DAY),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
        const [record, gauge] = [newGuessRecord(), newGauge()];
        const opened = new Map<string, Guessable>();
        const compared: number[] = [];
        let now = NOW;
        for (const { which, does, long, waitMs } of steps) {
          now += waitMs;
          const key = `${which} ${long}`;
          const known = opened.get(key);
          const current =
            known && known.expiresAt > now ? known : verification(long ? 8 : 6, now + 5 * MINUTE);
          opened.set(key, current);
          if (does === 'abandon') abandon(record, current.id, now);
          else if (strangerGuess(policy, record, gauge, current, now).outcome === 'compare' && !long)
            compared.push(now);
          expect(compared.filter((at) => at > now - YEAR).length).toBeLessThanOrEqual(9);
          expect(record.foreign.length).toBeLessThanOrEqual(100);
          expect(record.open.length).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  it('are remembered by a hundred guesses, the newest', () => {
    const record = foreign(...times(100, (i) => NOW - DAY + i));
    const opened = verification(8, NOW + 2 * HOUR);
    strangerGuess(policy, record, newGauge(), opened, NOW + HOUR);
    abandon(record, opened.id, NOW + HOUR);
    expect(record.foreign).toHaveLength(100);
    expect(record.foreign[0]).toBe(NOW - DAY + 1);
    expect(record.foreign.at(-1)).toBe(NOW + HOUR);
  });
});

describe('a known device', () => {
  it('never waits, and has nine wrong guesses a year', () => {
    const record = newGuessRecord();
    const opened = verification(6, NOW + 5 * MINUTE, 20);
    expect(times(9, () => deviceGuess(policy, record, opened, NOW).outcome)).toEqual(
      times(9, () => 'compare'),
    );
    expect(isTrusted(policy, record, NOW)).toBe(false);
    expect(deviceGuess(policy, record, opened, NOW)).toEqual({ outcome: 'exhausted' });
    expect(isTrusted(policy, record, NOW + YEAR)).toBe(true);
  });

  it('is as trusted as before once it was right', () => {
    const record = newGuessRecord();
    for (let i = 0; i < 30; i += 1) {
      const opened = verification();
      for (let typo = 0; typo < 5; typo += 1)
        expect(deviceGuess(policy, record, opened, NOW)).toEqual({ outcome: 'compare' });
      forgive(record, null, opened, NOW);
    }
    expect(record).toEqual({ open: [], foreign: [] });
  });
});

describe('the gauge', () => {
  const days = (now: number, ...before: number[]): Gauge => {
    const past = before.map((guesses, i): [number, number] => [today - 1 - i, guesses]);
    return { days: [...past, [today, now]] };
  };

  it.each([
    ['270 in a day are usual', days(270), false],
    ['271 are not', days(271), true],
    ['ten times the median are', days(1_000, 100, 100, 100, 100, 0, 0, 0), false],
    ['more are not', days(1_001, 100, 100, 100, 100, 0, 0, 0), true],
    ['one wild day makes no other usual', days(300, 90_000, 20, 20, 20, 20, 20, 20), true],
    ['many do not reach where few are usual', days(200, 1, 1, 1, 1, 1, 1, 1), false],
    ['a day of eight days ago says nothing', { days: [[today - 8, 9e9], ...days(271).days] } as Gauge, true],
  ])('says: %s', (_, gauge, raised) => {
    expect(isRaised(policy, gauge, NOW)).toBe(raised);
    expect(codeLengthFor(policy, newGuessRecord(), gauge, 6, NOW)).toBe(raised ? 8 : 6);
  });

  it('counts short guesses only, and remembers eight days', () => {
    const gauge = newGauge();
    for (let day = 0; day < 20; day += 1) {
      const now = NOW + day * DAY;
      strangerGuess(policy, newGuessRecord(), gauge, verification(6, now + MINUTE), now);
      strangerGuess(policy, newGuessRecord(), gauge, verification(8, now + MINUTE), now);
    }
    expect(gauge.days).toEqual(times(8, (i) => [today + 12 + i, 1]));
  });
});
