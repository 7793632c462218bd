import type { Policy } from './policy.js';

/**
 * The ledger of wrong codes. A guess is counted before it is compared; it is forgiven when its verification succeeds,
 * and foreign when its verification ends otherwise. Everything here is a function of a record and of the time, in
 * milliseconds since 1970, and changes nothing but the record.
 */

/** What is remembered of a number's strangers, or of one device that is known on it. */
export interface GuessRecord {
  /** Guesses at verifications that may still succeed. */
  open: Provisional[];
  /** When each foreign guess was made, oldest first. */
  foreign: number[];
  /** Of a number only: devices that became known before are not known any more. */
  devicesSince?: number;
}

interface Provisional {
  readonly id: string;
  /** Who guessed, where several can guess at one verification. */
  readonly by: string;
  guesses: number;
  lastAt: number;
  readonly diesAt: number;
}

/** A verification as far as guessing at it goes. */
export interface Guessable {
  readonly id: string;
  readonly codeLength: number;
  readonly maxAttempts: number;
  readonly expiresAt: number;
  /** Who guesses: all that whoever holds the verification's id does is one's own, and the same for all of them. */
  readonly by: string;
}

/** How often the whole system was guessed at with short codes, by day. */
export interface Gauge {
  days: [day: number, guesses: number][];
}

export type GuessOutcome =
  /** `waitMs`: what a stranger would have waited, were it enforced. */
  | { readonly outcome: 'compare'; readonly waitMs?: number }
  /** A stranger has to wait. */
  | { readonly outcome: 'wait'; readonly waitMs: number }
  /** The verification takes no further guess; a new one will have a longer code. */
  | { readonly outcome: 'exhausted' };

/** From this length on a code is a long one. */
const LONG_CODE = 8;
/** Codes of this length are characters rather than digits. */
const LONGEST_CODE = 10;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const DAYS_IN_GAUGE = 8;
export const GUESSES_REMEMBERED_MS = YEAR_MS;

/** More than any budget, so that a record stays small however long it is guessed at. */
const MOST_REMEMBERED = 100;

export function newGuessRecord(): GuessRecord {
  return { open: [], foreign: [] };
}

export function newGauge(): Gauge {
  return { days: [] };
}

/**
 * A stranger is about to have a code compared. Counted at once, as if it were wrong.
 *
 * @param delayed false: nobody waits.
 */
export function strangerGuess(
  policy: Policy,
  record: GuessRecord,
  gauge: Gauge,
  verification: Guessable,
  now: number,
  delayed = true,
): GuessOutcome {
  mature(record, now);
  const isShort = verification.codeLength < LONG_CODE;
  if (isUsedUp(record, verification)) return { outcome: 'compare' };
  if (isShort && guessesSince(record, now - YEAR_MS) >= policy.guesses.shortGuessesPerYear)
    return { outcome: 'exhausted' };
  const waitMs = Math.max(0, lastGuessAt(record) + delayMs(policy, record, now) - now);
  if (waitMs > 0 && delayed) return { outcome: 'wait', waitMs };
  countGuess(record, verification, now);
  if (isShort) addToGauge(gauge, now, 1);
  return waitMs > 0 ? { outcome: 'compare', waitMs } : { outcome: 'compare' };
}

/** A device that is known on the number is about to have a code compared: it never waits for anybody. */
export function deviceGuess(
  policy: Policy,
  record: GuessRecord,
  verification: Guessable,
  now: number,
): GuessOutcome {
  if (!isTrusted(policy, record, now)) return { outcome: 'exhausted' };
  if (isUsedUp(record, verification)) return { outcome: 'compare' };
  countGuess(record, verification, now);
  return { outcome: 'compare' };
}

/**
 * The verification succeeded: what whoever succeeded had guessed at it was typing. Nothing else is forgiven; what others
 * guessed at the same one is foreign from now on.
 */
export function forgive(
  record: GuessRecord,
  gauge: Gauge | null,
  verification: Guessable,
  now: number,
): void {
  const own = record.open.find(({ id, by }) => id === verification.id && by === verification.by);
  record.open = record.open.filter((entry) => entry !== own);
  abandon(record, verification.id, now);
  if (own && gauge && verification.codeLength < LONG_CODE) addToGauge(gauge, now, -own.guesses);
}

/** The verification ended without success, before its time. */
export function abandon(record: GuessRecord, id: string, now: number): void {
  record.open = record.open.map((entry) => (entry.id === id ? { ...entry, diesAt: now } : entry));
  mature(record, now);
}

/** How long a stranger's code has to be on this number. */
export function codeLengthFor(
  policy: Policy,
  record: GuessRecord,
  gauge: Gauge,
  usualLength: number,
  now: number,
): number {
  mature(record, now);
  const { eightDigitsFrom, tenCharactersFrom, shortGuessesPerYear } = policy.guesses;
  const foreign = record.foreign.length;
  if (foreign >= tenCharactersFrom) return LONGEST_CODE;
  const isLong =
    foreign >= eightDigitsFrom ||
    // Open guesses would use a short code up at once.
    guessesSince(record, now - YEAR_MS) >= shortGuessesPerYear ||
    isRaised(policy, gauge, now);
  return isLong ? Math.max(LONG_CODE, usualLength) : usualLength;
}

/** Whether a device may still be believed: whoever stole it has no more guesses than a stranger has. */
export function isTrusted(policy: Policy, record: GuessRecord, now: number): boolean {
  mature(record, now);
  return guessesSince(record, now - YEAR_MS) < policy.guesses.shortGuessesPerYear;
}

/** Whether so many short codes are guessed at all over the system that strangers get long ones everywhere. */
export function isRaised({ guesses }: Policy, gauge: Gauge, now: number): boolean {
  const today = dayOf(now);
  const on = (day: number) => gauge.days.find(([d]) => d === day)?.[1] ?? 0;
  const before = Array.from({ length: DAYS_IN_GAUGE - 1 }, (_, i) => on(today - 1 - i)).toSorted(
    (a, b) => a - b,
  );
  const median = before[Math.floor(before.length / 2)] as number;
  return on(today) > guesses.gaugePerDay && on(today) > guesses.gaugeTimesMedian * median;
}

/** What strangers wait after the last guess, once a budget is used up. */
export function delayMs(policy: Policy, record: GuessRecord, now: number): number {
  const { perHour, perDay, perYear, delaySeconds, delayFrom, longestDelaySeconds } = policy.guesses;
  const budgets = [
    [HOUR_MS, perHour],
    [DAY_MS, perDay],
    [YEAR_MS, perYear],
  ] as const;
  const delays = budgets.map(([windowMs, budget]) => {
    const guesses = guessesSince(record, now - windowMs);
    return guesses < budget ? 0 : delaySeconds * 2 ** (guesses - delayFrom);
  });
  return Math.min(longestDelaySeconds, Math.max(...delays)) * 1_000;
}

/** Guesses become foreign with the end of their verification, and are forgotten after a year. */
function mature(record: GuessRecord, now: number): void {
  if (record.open.some((entry) => entry.diesAt <= now)) {
    const ended = record.open.filter((entry) => entry.diesAt <= now);
    const guesses = ended.flatMap(({ guesses, lastAt }) => Array<number>(guesses).fill(lastAt));
    record.open = record.open.filter((entry) => entry.diesAt > now);
    record.foreign = [...record.foreign, ...guesses].sort((a, b) => a - b).slice(-MOST_REMEMBERED);
  }
  while (record.foreign[0] !== undefined && record.foreign[0] <= now - YEAR_MS) record.foreign.shift();
}

/** All its attempts are counted already, so the store has none left, or a counted one was never made. */
function isUsedUp({ open }: GuessRecord, { id, maxAttempts }: Guessable): boolean {
  return guessesAt(open, id) >= maxAttempts;
}

function guessesAt(open: readonly Provisional[], id: string): number {
  return open.reduce((sum, entry) => (entry.id === id ? sum + entry.guesses : sum), 0);
}

function countGuess(record: GuessRecord, { id, by, expiresAt, maxAttempts }: Guessable, now: number): void {
  const own = record.open.find((entry) => entry.id === id && entry.by === by);
  // The last attempt ends the verification, whatever comes of it.
  const isLast = guessesAt(record.open, id) + 1 >= maxAttempts;
  const diesAt = isLast ? Math.min(expiresAt, now + LAST_GUESS_MS) : expiresAt;
  const others = record.open
    .filter((entry) => entry !== own)
    .map((entry) => (entry.id === id ? { ...entry, diesAt } : entry));
  record.open = [...others, { id, by, guesses: (own?.guesses ?? 0) + 1, lastAt: now, diesAt }];
}

/** Longer than the comparison of the last guess takes, which may still be right. */
const LAST_GUESS_MS = 10_000;

function guessesSince({ open, foreign }: GuessRecord, since: number): number {
  const isSince = (at: number) => at > since;
  const provisional = open.filter(({ lastAt }) => isSince(lastAt));
  return foreign.filter(isSince).length + provisional.reduce((sum, { guesses }) => sum + guesses, 0);
}

function lastGuessAt({ open, foreign }: GuessRecord): number {
  return Math.max(foreign.at(-1) ?? 0, ...open.map(({ lastAt }) => lastAt));
}

function addToGauge(gauge: Gauge, now: number, guesses: number): void {
  const today = dayOf(now);
  const before = gauge.days.find(([day]) => day === today)?.[1] ?? 0;
  const others = gauge.days.filter(([day]) => day !== today && day > today - DAYS_IN_GAUGE);
  gauge.days = [...others, [today, Math.max(0, before + guesses)]];
}

function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}
