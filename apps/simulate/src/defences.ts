import {
  codeLengthFor,
  deviceGuess,
  forgive,
  type Gauge,
  type Guessable,
  isTrusted,
  newGuessRecord,
  type Policy,
  strangerGuess,
} from '#abuse';

/** Who acts: the device of the owner that signed in before, or anybody else. */
export type Actor = 'known_device' | 'stranger';

type Guess = { readonly compared: true } | { readonly compared: false; readonly retryAt: number | null };

/** What stands between one account and whoever guesses its codes. Times are milliseconds since 1970. */
export interface Defence {
  /** When the actor may have the next message sent; now, if at once. */
  mayOpenAt(actor: Actor, now: number): number;
  open(actor: Actor, now: number): Guessable;
  guess(actor: Actor, verification: Guessable, now: number): Guess;
  succeed(actor: Actor, verification: Guessable, now: number): void;
  /** How many guesses one that is compared stands for, where they are too many to be simulated one by one. */
  readonly guessesAtOnce: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CODE_TTL_MS = 5 * MINUTE_MS;
const USUAL_LENGTH = 6;
const MAX_ATTEMPTS = 5;
const COMPARED: Guess = { compared: true };

/** The defaults of LIMIT_COOL_DOWN and of the sends per number. */
const COOL_DOWNS_MS = [30, 60, 120, 300].map((seconds) => seconds * SECOND_MS);
const SENDS = [
  [5, 10 * MINUTE_MS],
  [10, DAY_MS],
] as const;

/** The ledger that the server decides with, behind its limits on messages. */
export function latchkey(policy: Policy, gauge: Gauge): Defence {
  const record = { known_device: newGuessRecord(), stranger: newGuessRecord() };
  const sends = { known_device: new Sends(COOL_DOWNS_MS, SENDS), stranger: new Sends(COOL_DOWNS_MS, SENDS) };
  const trusted = (actor: Actor, now: number) =>
    actor === 'known_device' && isTrusted(policy, record.known_device, now);
  /** As the store of verifications counts them. */
  const attempts = new Map<string, number>();
  let opened = 0;
  return {
    guessesAtOnce: 1,
    mayOpenAt: (actor, now) => sends[actor].freeAt(now),
    open(actor, now) {
      sends[actor].take(now);
      opened += 1;
      const codeLength = trusted(actor, now)
        ? USUAL_LENGTH
        : codeLengthFor(policy, record.stranger, gauge, USUAL_LENGTH, now);
      const expiresAt = now + CODE_TTL_MS;
      return { id: String(opened), by: actor, codeLength, maxAttempts: MAX_ATTEMPTS, expiresAt };
    },
    guess(actor, verification, now) {
      const before = attempts.get(verification.id) ?? 0;
      if (before >= MAX_ATTEMPTS) return { compared: false, retryAt: null };
      const answer = trusted(actor, now)
        ? deviceGuess(policy, record.known_device, verification, now)
        : strangerGuess(policy, record.stranger, gauge, verification, now);
      if (answer.outcome === 'compare') {
        attempts.set(verification.id, before + 1);
        return COMPARED;
      }
      return { compared: false, retryAt: answer.outcome === 'wait' ? now + answer.waitMs : null };
    },
    succeed(actor, verification, now) {
      forgive(record[actor], actor === 'stranger' ? gauge : null, verification, now);
    },
  };
}

/** What others ship: nothing is remembered beyond a code and the hour, and everybody is a stranger. */
interface PeerLimits {
  readonly coolDownMs: number;
  readonly sends: readonly (readonly [points: number, windowMs: number])[];
  readonly guessesPerCode: number;
  readonly codeTtlMs: number;
  readonly guessesAtOnce?: number;
}

/** The best that most of them allow. */
const FIVE_TRIES_FIVE_CODES_AN_HOUR: PeerLimits = {
  coolDownMs: 0,
  sends: [[5, HOUR_MS]],
  guessesPerCode: 5,
  codeTtlMs: CODE_TTL_MS,
};

/** A resend, here every 45 seconds, brings five more tries. */
const FRESH_BUDGET_ON_RESEND: PeerLimits = {
  coolDownMs: 45 * SECOND_MS,
  sends: [],
  guessesPerCode: 5,
  codeTtlMs: CODE_TTL_MS,
};

/** Thirty tries in five minutes from each of a hundred addresses. */
const NO_ATTEMPT_LIMIT_PER_CODE: PeerLimits = {
  coolDownMs: MINUTE_MS,
  sends: [[1, CODE_TTL_MS]],
  guessesPerCode: 30,
  codeTtlMs: CODE_TTL_MS,
  guessesAtOnce: 100,
};

export const PEERS = {
  five_tries_five_codes_an_hour: FIVE_TRIES_FIVE_CODES_AN_HOUR,
  fresh_budget_on_resend: FRESH_BUDGET_ON_RESEND,
  no_attempt_limit_per_code: NO_ATTEMPT_LIMIT_PER_CODE,
} as const satisfies Record<string, PeerLimits>;

export function peer({
  coolDownMs,
  sends,
  guessesPerCode,
  codeTtlMs,
  guessesAtOnce = 1,
}: PeerLimits): Defence {
  const lane = new Sends([coolDownMs], sends);
  const guesses = new Map<string, number>();
  let opened = 0;
  return {
    guessesAtOnce,
    mayOpenAt: (_, now) => lane.freeAt(now),
    open(_, now) {
      lane.take(now);
      opened += 1;
      const id = String(opened);
      const expiresAt = now + codeTtlMs;
      return { id, by: '', codeLength: USUAL_LENGTH, maxAttempts: guessesPerCode, expiresAt };
    },
    guess(_, { id, maxAttempts }) {
      const before = guesses.get(id) ?? 0;
      if (before >= maxAttempts) return { compared: false, retryAt: null };
      guesses.set(id, before + 1);
      return COMPARED;
    },
    succeed: () => undefined,
  };
}

/** Messages to one number: windows that begin with their first message, and waits that grow within an hour. */
class Sends {
  private readonly recent = new Window(Number.MAX_SAFE_INTEGER, HOUR_MS);
  private readonly windows: Window[];
  private coolUntil = 0;

  constructor(
    private readonly coolDownsMs: readonly number[],
    rates: readonly (readonly [points: number, windowMs: number])[],
  ) {
    this.windows = rates.map(([points, windowMs]) => new Window(points, windowMs));
  }

  freeAt(now: number): number {
    return Math.max(now, this.coolUntil, ...this.windows.map((window) => window.freeAt(now)));
  }

  take(now: number): void {
    const before = this.recent.take(now) - 1;
    this.coolUntil = now + (this.coolDownsMs[Math.min(before, this.coolDownsMs.length - 1)] as number);
    for (const window of this.windows) window.take(now);
  }
}

class Window {
  private from = Number.NEGATIVE_INFINITY;
  private taken = 0;

  constructor(
    private readonly points: number,
    private readonly windowMs: number,
  ) {}

  freeAt(now: number): number {
    return now >= this.from + this.windowMs || this.taken < this.points ? now : this.from + this.windowMs;
  }

  take(now: number): number {
    if (now >= this.from + this.windowMs) {
      this.from = now;
      this.taken = 0;
    }
    this.taken += 1;
    return this.taken;
  }
}
