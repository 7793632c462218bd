import type { Policy } from '../policy.js';

/**
 * The ledger of guesses at codes. A guess is counted before the code is compared, as if it were wrong. If its verification
 * succeeds, the guess was a typo and is forgiven. If its verification ends in any other way, the guess becomes
 * *foreign*: it is attributed to an attacker and counts against the number for a year.
 *
 * A known device has signed in on the number before; its guesses are counted apart from those of unknown devices, so
 * that an attack does not lock its owner out.
 *
 * All functions depend on their arguments only and change nothing but the given record and gauge. Times are
 * milliseconds since 1970.
 */

/** The guesses of all unknown devices at one number, or those of one known device. */
export interface GuessRecord {
  /** Guesses at verifications that may still succeed. */
  open: OpenGuesses[];
  /** Times of the foreign guesses, oldest first. */
  foreign: number[];
  /** Only in a number's record: devices that became known before this time are revoked. */
  devicesSince?: number;
}

interface OpenGuesses {
  readonly id: string;
  /** The client, if several clients can guess at the same verification. */
  readonly by: string;
  guesses: number;
  lastAt: number;
  /** End of the verification. */
  readonly diesAt: number;
}

/** The properties of a verification that matter to guessing. */
export interface Guessable {
  readonly id: string;
  readonly codeLength: number;
  /** The code cannot be made longer: the budget of short codes does not apply, but the other budgets and delays do. */
  readonly hasFixedCode?: boolean;
  readonly maxAttempts: number;
  readonly expiresAt: number;
  /** Tells clients apart if several can guess at the verification; otherwise the same text for all of them. */
  readonly by: string;
}

/** The gauge of the whole system: guesses at short codes per day. */
export interface Gauge {
  days: [day: number, guesses: number][];
}

export interface CodeLengths {
  /** The length without an attack. */
  readonly usual: number;
  /** Codes of at least this length are long: the budget of short codes does not apply to them. */
  readonly long: number;
  readonly longest: number;
}

export interface GuessRules {
  readonly policy: Policy;
  readonly codeLengths: CodeLengths;
}

export type GuessOutcome =
  /** `waitMs`: the wait that was not enforced. */
  | { readonly outcome: 'compare'; readonly waitMs?: number }
  | { readonly outcome: 'wait'; readonly waitMs: number }
  /** The verification accepts no more guesses; a new one will have a longer code. */
  | { readonly outcome: 'exhausted' };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const DAYS_IN_GAUGE = 8;
export const GUESSES_REMEMBERED_MS = YEAR_MS;

/** More than any budget. Keeps records small during long attacks. */
const MAX_FOREIGN_GUESSES = 100;

/** Longer than the comparison of the last guess takes, which may still be right. */
const LAST_GUESS_MS = 10_000;

export function newGuessRecord(): GuessRecord {
  return { open: [], foreign: [] };
}

export function newGauge(): Gauge {
  return { days: [] };
}

/**
 * Counts a guess of an unknown device before the code is compared.
 *
 * @param delayed false: delays are returned but not enforced.
 */
export function unknownDeviceGuess(
  rules: GuessRules,
  record: GuessRecord,
  gauge: Gauge,
  verification: Guessable,
  now: number,
  delayed = true,
): GuessOutcome {
  const { policy } = rules;
  closeEnded(record, now);
  const isShort = hasShortCode(rules, verification);
  if (hasNoAttemptsLeft(record, verification)) return { outcome: 'compare' };
  if (isShort && guessesSince(record, now - YEAR_MS) >= policy.guesses.shortGuessesPerYear)
    return { outcome: 'exhausted' };
  const waitMs = Math.max(0, lastGuessAt(record) + delayMs(policy, record, now) - now);
  if (waitMs > 0 && delayed) return { outcome: 'wait', waitMs };
  countGuess(record, verification, now);
  if (isShort) addToGauge(gauge, now, 1);
  return waitMs > 0 ? { outcome: 'compare', waitMs } : { outcome: 'compare' };
}

/** Counts a guess of a known device before the code is compared. A known device is never delayed. */
export function knownDeviceGuess(
  policy: Policy,
  record: GuessRecord,
  verification: Guessable,
  now: number,
): GuessOutcome {
  if (!isTrusted(policy, record, now)) return { outcome: 'exhausted' };
  if (hasNoAttemptsLeft(record, verification)) return { outcome: 'compare' };
  countGuess(record, verification, now);
  return { outcome: 'compare' };
}

/**
 * Forgives the guesses of a client whose verification succeeded. Guesses of other clients at the same verification
 * become foreign.
 */
export function forgive(
  rules: GuessRules,
  record: GuessRecord,
  gauge: Gauge | null,
  verification: Guessable,
  now: number,
): void {
  const own = record.open.find(({ id, by }) => id === verification.id && by === verification.by);
  record.open = record.open.filter((entry) => entry !== own);
  abandon(record, verification.id, now);
  if (own && gauge && hasShortCode(rules, verification)) addToGauge(gauge, now, -own.guesses);
}

/** Makes the guesses at a verification foreign that ended early without success. */
export function abandon(record: GuessRecord, id: string, now: number): void {
  record.open = record.open.map((entry) => (entry.id === id ? { ...entry, diesAt: now } : entry));
  closeEnded(record, now);
}

/** Returns the length of the codes for unknown devices on this number. */
export function codeLengthFor(
  { policy, codeLengths }: GuessRules,
  record: GuessRecord,
  gauge: Gauge,
  now: number,
): number {
  closeEnded(record, now);
  const { eightDigitsFrom, tenCharactersFrom, shortGuessesPerYear } = policy.guesses;
  const foreign = record.foreign.length;
  if (foreign >= tenCharactersFrom) return codeLengths.longest;
  const isLong =
    foreign >= eightDigitsFrom ||
    // The budget of short codes is used up, so a short code would accept no guess.
    guessesSince(record, now - YEAR_MS) >= shortGuessesPerYear ||
    isRaised(policy, gauge, now);
  return isLong ? Math.max(codeLengths.long, codeLengths.usual) : codeLengths.usual;
}

/** Returns true while a known device has guesses left. A stolen one gets no more of them than unknown devices do. */
export function isTrusted(policy: Policy, record: GuessRecord, now: number): boolean {
  closeEnded(record, now);
  return guessesSince(record, now - YEAR_MS) < policy.guesses.shortGuessesPerYear;
}

/** Returns true if so many short codes are guessed at in the whole system that all unknown devices need long codes. */
export function isRaised({ guesses }: Policy, gauge: Gauge, now: number): boolean {
  const today = dayOf(now);
  const on = (day: number) => gauge.days.find(([d]) => d === day)?.[1] ?? 0;
  const before = Array.from({ length: DAYS_IN_GAUGE - 1 }, (_, i) => on(today - 1 - i)).toSorted(
    (a, b) => a - b,
  );
  const median = before[Math.floor(before.length / 2)] as number;
  return on(today) > guesses.gaugePerDay && on(today) > guesses.gaugeTimesMedian * median;
}

/** Returns the delay of unknown devices after their last guess; zero within all budgets. */
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

/** Makes the guesses at ended verifications foreign, and forgets foreign guesses after a year. */
function closeEnded(record: GuessRecord, now: number): void {
  if (record.open.some((entry) => entry.diesAt <= now)) {
    const ended = record.open.filter((entry) => entry.diesAt <= now);
    const guesses = ended.flatMap(({ guesses, lastAt }) => Array<number>(guesses).fill(lastAt));
    record.open = record.open.filter((entry) => entry.diesAt > now);
    record.foreign = [...record.foreign, ...guesses].sort((a, b) => a - b).slice(-MAX_FOREIGN_GUESSES);
  }
  while (record.foreign[0] !== undefined && record.foreign[0] <= now - YEAR_MS) record.foreign.shift();
}

function hasShortCode({ codeLengths }: GuessRules, { codeLength, hasFixedCode }: Guessable): boolean {
  return !hasFixedCode && codeLength < codeLengths.long;
}

/**
 * Returns true if all attempts are counted already. One more guess needs no count: the verification store has no attempt
 * left for it, or a counted attempt was never made.
 */
function hasNoAttemptsLeft({ open }: GuessRecord, { id, maxAttempts }: Guessable): boolean {
  return guessesAt(open, id) >= maxAttempts;
}

function guessesAt(open: readonly OpenGuesses[], id: string): number {
  return open.reduce((sum, entry) => (entry.id === id ? sum + entry.guesses : sum), 0);
}

function countGuess(record: GuessRecord, { id, by, expiresAt, maxAttempts }: Guessable, now: number): void {
  const own = record.open.find((entry) => entry.id === id && entry.by === by);
  // The last attempt ends the verification, right or wrong.
  const isLast = guessesAt(record.open, id) + 1 >= maxAttempts;
  const diesAt = isLast ? Math.min(expiresAt, now + LAST_GUESS_MS) : expiresAt;
  const others = record.open
    .filter((entry) => entry !== own)
    .map((entry) => (entry.id === id ? { ...entry, diesAt } : entry));
  record.open = [...others, { id, by, guesses: (own?.guesses ?? 0) + 1, lastAt: now, diesAt }];
}

function guessesSince({ open, foreign }: GuessRecord, since: number): number {
  const isRecent = (at: number) => at > since;
  const recentOpen = open.filter(({ lastAt }) => isRecent(lastAt));
  return foreign.filter(isRecent).length + recentOpen.reduce((sum, { guesses }) => sum + guesses, 0);
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
