import type { Policy } from '../policy.js';
import { countNumber, forgiveNumber, type Gauge, isRaised } from './guess-gauge.js';

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
  /** Times of the foreign guesses by clients that had not requested the code. They are among `foreign` as well. */
  unrequested?: number[];
  /** The number counts in the gauge of this day, in this group of networks. */
  gauged?: { readonly day: number; readonly group: number };
  /** Only in a number's record: devices that became known before this time are revoked. */
  devicesSince?: number;
}

interface OpenGuesses {
  readonly id: string;
  /** The client, if several clients can guess at the same verification. */
  readonly by: string;
  /** The client had not requested the code. */
  readonly unrequested?: true;
  guesses: number;
  lastAt: number;
  /** When the guesses become foreign: the end of the verification, or shortly after the client's last attempt. */
  readonly diesAt: number;
}

/** The properties of a verification that matter to guessing. */
export interface Guessable {
  readonly id: string;
  readonly codeLength: number;
  /** The code cannot be made longer: the budget of short codes does not apply, but the other budgets and delays do. */
  readonly hasFixedCode?: boolean;
  /** Attempts of this client. */
  readonly maxAttempts: number;
  readonly expiresAt: number;
  /** Tells clients apart if several can guess at the verification; otherwise the same text for all of them. */
  readonly by: string;
  /** The client guesses at a code that it did not request. */
  readonly isUnrequested?: boolean;
  /** The group of the client's network in the gauge. */
  readonly networkGroup: number;
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

export type GuessRefusal =
  | { readonly outcome: 'wait'; readonly waitMs: number }
  /** The verification accepts no more guesses; a new one will have a longer code. */
  | { readonly outcome: 'exhausted' }
  /** Clients that did not request the code have no guesses left at this number. */
  | { readonly outcome: 'unrequested' };

export type GuessOutcome =
  /** `unenforced`: the refusal that monitor mode only records. */
  { readonly outcome: 'compare'; readonly unenforced?: GuessRefusal } | GuessRefusal;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
export const GUESSES_REMEMBERED_MS = YEAR_MS;

/** More than any budget. Keeps records small during long attacks. */
const MAX_FOREIGN_GUESSES = 100;

/** Longer than the comparison of the last guess takes, which may still be right. */
const LAST_GUESS_MS = 10_000;

export function newGuessRecord(): GuessRecord {
  return { open: [], foreign: [] };
}

/**
 * Counts a guess of an unknown device before the code is compared.
 *
 * @param enforced false (monitor mode): the guess is counted and compared whatever the rules say.
 */
export function unknownDeviceGuess(
  rules: GuessRules,
  record: GuessRecord,
  gauge: Gauge,
  verification: Guessable,
  now: number,
  enforced = true,
): GuessOutcome {
  closeEnded(record, now);
  if (hasNoAttemptsLeft(record, verification)) return { outcome: 'compare' };
  const refusal = refusalOf(rules, record, verification, now);
  if (refusal && enforced) return refusal;
  countGuess(record, verification, now);
  if (hasShortCode(rules, verification)) countInGauge(record, gauge, verification, now);
  return refusal ? { outcome: 'compare', unenforced: refusal } : { outcome: 'compare' };
}

function refusalOf(
  rules: GuessRules,
  record: GuessRecord,
  verification: Guessable,
  now: number,
): GuessRefusal | null {
  const { shortGuessesPerYear, unrequestedPerYear } = rules.policy.guesses;
  if (verification.isUnrequested && unrequestedSince(record, now - YEAR_MS) >= unrequestedPerYear)
    return { outcome: 'unrequested' };
  if (hasShortCode(rules, verification) && guessesSince(record, now - YEAR_MS) >= shortGuessesPerYear)
    return { outcome: 'exhausted' };
  const waitMs = waitBeforeGuessMs(rules.policy, record, now);
  return waitMs > 0 ? { outcome: 'wait', waitMs } : null;
}

/** Returns how long unknown devices have to wait before their next guess at the number. */
export function waitBeforeGuessMs(policy: Policy, record: GuessRecord, now: number): number {
  const delay = delayMs(policy, record, now);
  // Without a delay the last guess may still be later than `now`: a concurrent request, or the clock of another process.
  return delay > 0 ? Math.max(0, lastGuessAt(record) + delay - now) : 0;
}

/** Returns the guesses of the last year that count against the number. */
export function guessesOfYear(record: GuessRecord, now: number): number {
  return guessesSince(record, now - YEAR_MS);
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
  record: GuessRecord,
  gauge: Gauge | null,
  verification: Guessable,
  now: number,
): void {
  const own = record.open.find(({ id, by }) => id === verification.id && by === verification.by);
  record.open = record.open.filter((entry) => entry !== own);
  abandon(record, verification.id, now);
  const hasOthers = record.open.length > 0 || record.foreign.some((at) => dayOf(at) === record.gauged?.day);
  if (!own || !gauge || !record.gauged || hasOthers) return;
  forgiveNumber(gauge, record.gauged.day, record.gauged.group);
  delete record.gauged;
}

/** Makes the guesses at a verification foreign that ended early without success. */
export function abandon(record: GuessRecord, id: string, now: number): void {
  record.open = record.open.map((entry) => (entry.id === id ? { ...entry, diesAt: now } : entry));
  closeEnded(record, now);
}

/**
 * Returns the length of the codes for unknown devices on this number.
 *
 * @param gauge of the number's country.
 * @param raisedEverywhere true if the codes of all countries are longer today.
 */
export function codeLengthFor(
  { policy, codeLengths }: GuessRules,
  record: GuessRecord,
  gauge: Gauge,
  now: number,
  raisedEverywhere = false,
): number {
  closeEnded(record, now);
  const { eightDigitsFrom, tenCharactersFrom, shortGuessesPerYear } = policy.guesses;
  const foreign = record.foreign.length;
  if (foreign >= tenCharactersFrom) return codeLengths.longest;
  const isLong =
    foreign >= eightDigitsFrom ||
    // The budget of short codes is used up, so a short code would accept no guess.
    guessesSince(record, now - YEAR_MS) >= shortGuessesPerYear ||
    raisedEverywhere ||
    isRaised(policy, gauge, dayOf(now));
  return isLong ? Math.max(codeLengths.long, codeLengths.usual) : codeLengths.usual;
}

/** Returns true while a known device has guesses left. A stolen one gets no more of them than unknown devices do. */
export function isTrusted(policy: Policy, record: GuessRecord, now: number): boolean {
  closeEnded(record, now);
  return guessesSince(record, now - YEAR_MS) < policy.guesses.shortGuessesPerYear;
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
    const guesses = ended.flatMap(timesOf);
    record.open = record.open.filter((entry) => entry.diesAt > now);
    record.foreign = [...record.foreign, ...guesses].sort((a, b) => a - b).slice(-MAX_FOREIGN_GUESSES);
    const unrequested = ended.filter((entry) => entry.unrequested).flatMap(timesOf);
    if (unrequested.length > 0)
      record.unrequested = [...(record.unrequested ?? []), ...unrequested].slice(-MAX_FOREIGN_GUESSES);
  }
  const isRecent = (at: number) => at > now - YEAR_MS;
  record.foreign = record.foreign.filter(isRecent);
  if (record.unrequested) record.unrequested = record.unrequested.filter(isRecent);
}

function timesOf({ guesses, lastAt }: OpenGuesses): number[] {
  return Array<number>(guesses).fill(lastAt);
}

function hasShortCode({ codeLengths }: GuessRules, { codeLength, hasFixedCode }: Guessable): boolean {
  return !hasFixedCode && codeLength < codeLengths.long;
}

/**
 * Returns true if all attempts of the client are counted already. One more guess needs no count: the verification store
 * has no attempt left for it, or a counted attempt was never made.
 */
function hasNoAttemptsLeft({ open }: GuessRecord, { id, by, maxAttempts }: Guessable): boolean {
  return (open.find((entry) => entry.id === id && entry.by === by)?.guesses ?? 0) >= maxAttempts;
}

function countGuess(record: GuessRecord, verification: Guessable, now: number): void {
  const { id, by, isUnrequested, expiresAt, maxAttempts } = verification;
  const own = record.open.find((entry) => entry.id === id && entry.by === by);
  const guesses = (own?.guesses ?? 0) + 1;
  // The last attempt ends the client's chances, right or wrong.
  const diesAt = guesses >= maxAttempts ? Math.min(expiresAt, now + LAST_GUESS_MS) : expiresAt;
  const others = record.open.filter((entry) => entry !== own);
  const entry = { id, by, guesses, lastAt: now, diesAt };
  record.open = [...others, isUnrequested ? { ...entry, unrequested: true } : entry];
}

/** Counts the number once a day, however many guesses are made at it. */
function countInGauge(
  record: GuessRecord,
  gauge: Gauge,
  { networkGroup: group }: Guessable,
  now: number,
): void {
  const day = dayOf(now);
  if (record.gauged?.day === day) return;
  countNumber(gauge, day, group);
  record.gauged = { day, group };
}

function unrequestedSince({ open, unrequested = [] }: GuessRecord, since: number): number {
  const openOnes = open.filter((entry) => entry.unrequested && entry.lastAt > since);
  return (
    unrequested.filter((at) => at > since).length + openOnes.reduce((sum, { guesses }) => sum + guesses, 0)
  );
}

function guessesSince({ open, foreign }: GuessRecord, since: number): number {
  const isRecent = (at: number) => at > since;
  const recentOpen = open.filter(({ lastAt }) => isRecent(lastAt));
  return foreign.filter(isRecent).length + recentOpen.reduce((sum, { guesses }) => sum + guesses, 0);
}

function lastGuessAt({ open, foreign }: GuessRecord): number {
  return Math.max(foreign.at(-1) ?? 0, ...open.map(({ lastAt }) => lastAt));
}

export function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}
