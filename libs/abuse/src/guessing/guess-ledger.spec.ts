import fc from 'fast-check';
import { times } from '../../../../test/support/repeat.js';
import { DEFAULT_POLICY as policy } from '../policy.js';
import {
  type Gauge,
  isRaised,
  isRaisedEverywhere,
  newGauge,
  type RaisedCountries,
  withRaised,
} from './guess-gauge.js';
import {
  abandon,
  codeLengthFor,
  delayMs,
  forgive,
  type Guessable,
  isTrusted,
  knownDeviceGuess,
  newGuessRecord,
  unknownDeviceGuess,
} from './guess-ledger.js';

const rules = { policy, codeLengths: { usual: 6, long: 8, longest: 10 } };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const NOW = Date.UTC(2026, 0, 5, 12);
const today = Math.floor(NOW / DAY);

const foreign = (...at: number[]) => ({ open: [], foreign: at });

let ids = 0;
function verification(codeLength = 6, expiresAt = NOW + 5 * MINUTE, maxAttempts = 5): Guessable {
  ids += 1;
  return { id: String(ids), by: '', codeLength, maxAttempts, expiresAt, networkGroup: ids % 128 };
}

describe('the ledger of guesses', () => {
  it('makes guesses foreign when their verification expires, and keeps the times at which they were made', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    unknownDeviceGuess(rules, record, gauge, opened, NOW);
    unknownDeviceGuess(rules, record, gauge, opened, NOW + 1_000);
    codeLengthFor(rules, record, gauge, opened.expiresAt - 1);
    expect(record.foreign).toEqual([]);
    codeLengthFor(rules, record, gauge, opened.expiresAt);
    expect(record).toMatchObject({ open: [], foreign: [NOW + 1_000, NOW + 1_000] });
  });

  it('makes guesses foreign when their verification is cancelled, and does not forgive them later', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    unknownDeviceGuess(rules, record, gauge, opened, NOW);
    abandon(record, opened.id, NOW + 1);
    forgive(record, gauge, opened, NOW + 2);
    expect(record).toMatchObject({ open: [], foreign: [NOW] });
    expect(gauge.days).toEqual([[today, 1, 0]]);
  });

  it('forgives only the guesses at the verification that succeeded', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const [owners, attackers] = [verification(), verification()];
    for (const opened of [owners, attackers, owners, attackers, attackers])
      unknownDeviceGuess(rules, record, gauge, opened, NOW);
    forgive(record, gauge, owners, NOW);
    expect(record.open).toMatchObject([{ id: attackers.id, guesses: 3 }]);
    expect(gauge.days).toEqual([[today, 1, 0]]);
  });

  it('forgives the last guess of a verification if it was right', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 5; i += 1) unknownDeviceGuess(rules, record, gauge, opened, NOW);
    forgive(record, gauge, opened, NOW + 9_000);
    expect(record).toEqual({ open: [], foreign: [] });
  });

  it('counts no more guesses at a verification than it has attempts', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 50; i += 1)
      expect(unknownDeviceGuess(rules, record, gauge, opened, NOW)).toEqual({ outcome: 'compare' });
    expect(record.open).toMatchObject([{ guesses: 5 }]);
  });

  it('does not forgive guesses of another client at a verification that succeeded', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const owners = verification();
    const anothers = { ...owners, by: 'another client' };
    unknownDeviceGuess(rules, record, gauge, owners, NOW);
    for (let i = 0; i < 3; i += 1) unknownDeviceGuess(rules, record, gauge, anothers, NOW + 1_000);
    forgive(record, gauge, owners, NOW + 2_000);
    expect(record).toMatchObject({ open: [], foreign: times(3, () => NOW + 1_000) });
    expect(gauge.days).toEqual([[today, 1, 0]]);
  });

  it('makes the guesses of one client foreign after its last attempt, and keeps those of others open', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (const by of ['a', 'b', 'a', 'a', 'a', 'a'])
      unknownDeviceGuess(rules, record, gauge, { ...opened, by }, NOW);
    codeLengthFor(rules, record, gauge, NOW + 10_000);
    expect(record.foreign).toEqual(times(5, () => NOW));
    expect(record.open).toMatchObject([{ by: 'b', guesses: 1 }]);
  });

  it('counts the attempts of each client on their own', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (const by of [...times(50, () => 'a'), ...times(3, () => 'b')])
      unknownDeviceGuess(rules, record, gauge, { ...opened, by }, NOW);
    expect(record.open).toMatchObject([
      { by: 'a', guesses: 5 },
      { by: 'b', guesses: 3 },
    ]);
  });

  it('treats the verification as ended after its last attempt', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = verification();
    for (let i = 0; i < 5; i += 1) unknownDeviceGuess(rules, record, gauge, opened, NOW);
    expect(codeLengthFor(rules, record, gauge, NOW + 10_000)).toBe(8);
  });

  it('forgets a foreign guess after a year', () => {
    const record = foreign(...times(5, () => NOW));
    expect(codeLengthFor(rules, record, newGauge(), NOW + YEAR - 1)).toBe(8);
    expect(codeLengthFor(rules, record, newGauge(), NOW + YEAR)).toBe(6);
    expect(record.foreign).toEqual([]);
  });
});

describe('unknown devices', () => {
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
  ])('that guessed within %s %d times, %d ms ago, wait %d s', (_, guesses, agoMs, seconds) => {
    expect(delayMs(policy, foreign(...times(guesses, () => NOW - agoMs)), NOW)).toBe(seconds * 1_000);
  });

  it('do not wait for a guess that a process with a faster clock counted', () => {
    const [record, gauge] = [foreign(NOW + 500), newGauge()];
    expect(unknownDeviceGuess(rules, record, gauge, verification(), NOW)).toEqual({ outcome: 'compare' });
  });

  it('wait from the last guess on, and may guess again after the wait', () => {
    const [record, gauge] = [foreign(...times(10, () => NOW - MINUTE)), newGauge()];
    const opened = verification(8, NOW + HOUR);
    expect(unknownDeviceGuess(rules, record, gauge, opened, NOW)).toEqual({
      outcome: 'wait',
      waitMs: 15 * MINUTE,
    });
    expect(record.open).toEqual([]);
    expect(unknownDeviceGuess(rules, record, gauge, opened, NOW + 15 * MINUTE)).toEqual({
      outcome: 'compare',
    });
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
    expect(codeLengthFor(rules, record, newGauge(), NOW)).toBe(length);
  });

  it('get a long code while nine guesses are open, which use up the budget of short codes', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const opened = times(9, () => verification());
    for (const each of opened) {
      expect(codeLengthFor(rules, record, gauge, NOW)).toBe(6);
      unknownDeviceGuess(rules, record, gauge, each, NOW);
    }
    expect(codeLengthFor(rules, record, gauge, NOW)).toBe(8);
    expect(unknownDeviceGuess(rules, record, gauge, verification(), NOW)).toEqual({ outcome: 'exhausted' });
    expect(unknownDeviceGuess(rules, record, gauge, verification(8), NOW)).toEqual({ outcome: 'compare' });
  });

  it('never get more than nine guesses at short codes in a year, and leave at most a hundred in the record', () => {
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
          else if (unknownDeviceGuess(rules, record, gauge, current, now).outcome === 'compare' && !long)
            compared.push(now);
          expect(compared.filter((at) => at > now - YEAR).length).toBeLessThanOrEqual(9);
          expect(record.foreign.length).toBeLessThanOrEqual(100);
          expect(record.open.length).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  it('leave the newest hundred foreign guesses in the record', () => {
    const record = foreign(...times(100, (i) => NOW - DAY + i));
    const opened = verification(8, NOW + 2 * HOUR);
    unknownDeviceGuess(rules, record, newGauge(), opened, NOW + HOUR);
    abandon(record, opened.id, NOW + HOUR);
    expect(record.foreign).toHaveLength(100);
    expect(record.foreign[0]).toBe(NOW - DAY + 1);
    expect(record.foreign.at(-1)).toBe(NOW + HOUR);
  });
});

describe('clients that did not request the code', () => {
  const anothers = (by: string, codeLength = 6) => ({
    ...verification(codeLength),
    ...{ by, maxAttempts: 2, isUnrequested: true },
  });

  it('have four guesses a year together, at codes of any length, which never lengthen codes or delay', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const outcomes = times(50, (i) => {
      const now = NOW + i * HOUR;
      const guessed = { ...anothers(`client ${i}`, i % 2 ? 6 : 8), expiresAt: now + MINUTE };
      return unknownDeviceGuess(rules, record, gauge, guessed, now).outcome;
    });
    expect(outcomes).toEqual([...times(4, () => 'compare'), ...times(46, () => 'unrequested')]);
    const later = NOW + 50 * HOUR;
    expect(codeLengthFor(rules, record, gauge, later)).toBe(6);
    expect(delayMs(policy, record, later)).toBe(0);
    const owners = verification(6, later + MINUTE);
    expect(times(5, () => unknownDeviceGuess(rules, record, gauge, owners, later).outcome)).toEqual(
      times(5, () => 'compare'),
    );
    const next = { ...anothers('client'), expiresAt: NOW + 2 * YEAR };
    expect(unknownDeviceGuess(rules, record, gauge, next, NOW + YEAR).outcome).toBe('compare');
  });

  it('share the budget of short codes with all others', () => {
    const [record, gauge] = [foreign(...times(9, () => NOW - DAY)), newGauge()];
    expect(unknownDeviceGuess(rules, record, gauge, anothers('a'), NOW).outcome).toBe('exhausted');
  });

  it('get no guess back when another client succeeds', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const owners = verification();
    const attackers = { ...owners, by: 'attacker', maxAttempts: 2, isUnrequested: true };
    for (let i = 0; i < 4; i += 1) unknownDeviceGuess(rules, record, gauge, attackers, NOW);
    forgive(record, gauge, owners, NOW);
    expect(record).toMatchObject({ open: [], foreign: [NOW, NOW], unrequested: [NOW, NOW] });
  });
});

describe('monitor mode', () => {
  it.each([
    ['the tenth guess at a short code', foreign(...times(9, () => NOW - DAY)), verification(), 'exhausted'],
    ['a guess during a delay', foreign(...times(10, () => NOW - 1)), verification(8), 'wait'],
    [
      'a guess of a client that did not request the code',
      { ...foreign(...times(4, () => NOW - DAY)), unrequested: times(4, () => NOW - DAY) },
      { ...verification(), isUnrequested: true },
      'unrequested',
    ],
  ])('compares and counts %s', (_, record, guessed, refusal) => {
    const before = structuredClone(record);
    expect(unknownDeviceGuess(rules, before, newGauge(), guessed, NOW, true).outcome).toBe(refusal);
    expect(unknownDeviceGuess(rules, record, newGauge(), guessed, NOW, false)).toMatchObject({
      outcome: 'compare',
      unenforced: { outcome: refusal },
    });
    expect(record.open).toMatchObject([{ id: guessed.id, guesses: 1 }]);
  });
});

describe('a verification with a fixed code', () => {
  const fixed = () => ({ ...verification(6, NOW + HOUR), hasFixedCode: true });

  it('is exempt from the budget of short codes and from the gauge, but not from delays', () => {
    const [record, gauge] = [foreign(...times(9, () => NOW - 2 * DAY)), newGauge()];
    expect(unknownDeviceGuess(rules, record, gauge, verification(), NOW)).toEqual({ outcome: 'exhausted' });
    expect(unknownDeviceGuess(rules, record, gauge, fixed(), NOW)).toEqual({ outcome: 'compare' });
    expect(record.open).toMatchObject([{ guesses: 1 }]);
    expect(gauge.days).toEqual([]);
    const busy = foreign(...times(10, () => NOW - MINUTE));
    expect(unknownDeviceGuess(rules, busy, gauge, fixed(), NOW)).toMatchObject({ outcome: 'wait' });
  });
});

describe('a known device', () => {
  it('never waits, and has nine wrong guesses a year', () => {
    const record = newGuessRecord();
    const opened = verification(6, NOW + 5 * MINUTE, 20);
    expect(times(9, () => knownDeviceGuess(policy, record, opened, NOW).outcome)).toEqual(
      times(9, () => 'compare'),
    );
    expect(isTrusted(policy, record, NOW)).toBe(false);
    expect(knownDeviceGuess(policy, record, opened, NOW)).toEqual({ outcome: 'exhausted' });
    expect(isTrusted(policy, record, NOW + YEAR)).toBe(true);
  });

  it('stays trusted when typos are followed by the right code', () => {
    const record = newGuessRecord();
    for (let i = 0; i < 30; i += 1) {
      const opened = verification();
      for (let typo = 0; typo < 5; typo += 1)
        expect(knownDeviceGuess(policy, record, opened, NOW)).toEqual({ outcome: 'compare' });
      forgive(record, null, opened, NOW);
    }
    expect(record).toEqual({ open: [], foreign: [] });
  });
});

describe('the gauge', () => {
  /** A day with this many numbers from this many groups of networks, after days on which these numbers signed in. */
  const days = (numbers: number, groups: number, ...signedIn: number[]): Gauge => ({
    days: [...signedIn.map((n, i): Gauge['days'][number] => [today - 1 - i, 0, n]), [today, numbers]],
    groups: { day: today, numbers: times(128, (i) => (i < groups ? Math.ceil(numbers / groups) : 0)) },
  });
  const guessedBefore = (numbers: number): Gauge => ({
    ...days(1_100, 110),
    days: [...times(7, (i): Gauge['days'][number] => [today - 1 - i, numbers]), [today, 1_100]],
  });

  it.each([
    ['not raised by a thousand numbers in a day', days(1_000, 125), false],
    ['raised by more than a thousand', days(1_100, 110), true],
    ['not raised by 100,000 numbers from 99 groups of networks', days(100_000, 99), false],
    ['raised by 100,000 numbers from all groups', days(100_000, 128), true],
    ['not raised by a twentieth of the median day', days(1_920, 128, ...times(4, () => 38_400)), false],
    ['raised by more than a twentieth of the median day', days(2_048, 128, ...times(4, () => 38_400)), true],
    ['raised whatever was guessed at on the days before', guessedBefore(90_000), true],
    [
      'raised although many more numbers signed in on one day',
      days(1_280, 128, 9_000_000, 20, 20, 20, 20, 20, 20),
      true,
    ],
    ['not raised by yesterday', { ...days(0, 1, 9_000), groups: { day: today - 1, numbers: [] } }, false],
    ['not raised by an empty gauge', newGauge(), false],
  ])('is %s', (_, gauge, raised) => {
    expect(isRaised(policy, gauge, today)).toBe(raised);
    expect(codeLengthFor(rules, newGuessRecord(), gauge, NOW)).toBe(raised ? 8 : 6);
  });

  it('makes codes longer while many countries are raised', () => {
    const lengthWith = (everywhere: boolean) =>
      codeLengthFor(rules, newGuessRecord(), newGauge(), NOW, everywhere);
    expect([lengthWith(false), lengthWith(true)]).toEqual([6, 8]);
    const raised: RaisedCountries[] = [];
    for (const country of ['US', 'GB', 'US', 'DE'])
      raised.push(withRaised(raised.at(-1) ?? null, country, today));
    expect(raised.map((each) => isRaisedEverywhere(policy, each, today))).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect(isRaisedEverywhere(policy, raised.at(-1) ?? null, today + 1)).toBe(false);
    expect(withRaised(raised.at(-1) ?? null, 'FR', today + 1).countries).toEqual(['FR']);
  });

  it('counts a number once a day, however many guesses are made at it, and not if they were typos', () => {
    const [record, gauge] = [newGuessRecord(), newGauge()];
    const owners = verification();
    for (let i = 0; i < 3; i += 1) unknownDeviceGuess(rules, record, gauge, owners, NOW);
    expect(gauge.days).toEqual([[today, 1, 0]]);
    forgive(record, gauge, owners, NOW);
    expect(gauge.days).toEqual([[today, 0, 1]]);
    expect(gauge.groups?.numbers.every((numbers) => numbers === 0)).toBe(true);
    const attackers = verification();
    for (const guessed of [attackers, owners, attackers])
      unknownDeviceGuess(rules, record, gauge, guessed, NOW);
    forgive(record, gauge, owners, NOW);
    expect(gauge.days).toEqual([[today, 1, 1]]);
    unknownDeviceGuess(rules, record, gauge, verification(6, NOW + 2 * DAY), NOW + DAY);
    expect(gauge.days).toEqual([
      [today, 1, 1],
      [today + 1, 1, 0],
    ]);
  });

  it('is not raised by 275 guesses at 57 numbers', () => {
    const gauge = newGauge();
    for (let number = 0; number < 57; number += 1) {
      const [record, opened] = [newGuessRecord(), verification()];
      for (let i = 0; i < 5; i += 1) unknownDeviceGuess(rules, record, gauge, opened, NOW);
    }
    expect(isRaised(policy, gauge, today)).toBe(false);
  });

  it('counts numbers with short codes only, and remembers eight days', () => {
    const gauge = newGauge();
    for (let day = 0; day < 20; day += 1) {
      const now = NOW + day * DAY;
      unknownDeviceGuess(rules, newGuessRecord(), gauge, verification(6, now + MINUTE), now);
      unknownDeviceGuess(rules, newGuessRecord(), gauge, verification(8, now + MINUTE), now);
    }
    expect(gauge.days).toEqual(times(8, (i) => [today + 12 + i, 1, 0]));
  });
});
