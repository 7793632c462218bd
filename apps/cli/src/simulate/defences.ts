import {
  codeLengthFor,
  forgive,
  type Gauge,
  type Guessable,
  isTrusted,
  knownDeviceGuess,
  newGuessRecord,
  type Policy,
  unknownDeviceGuess,
} from '#abuse';
import { CODE_LENGTHS } from '#otp';

export type Actor = 'known_device' | 'unknown_device';

type Guess = { readonly compared: true } | { readonly compared: false; readonly retryAt: number | null };

/** The limits on guessing the codes of one account. Times are milliseconds since 1970. */
export interface Defence {
  /** Returns the time from which the actor may request the next message; `now` if at once. */
  mayOpenAt(actor: Actor, now: number): number;
  open(actor: Actor, now: number): Guessable;
  guess(actor: Actor, verification: Guessable, now: number): Guess;
  succeed(actor: Actor, verification: Guessable, now: number): void;
  /** Guesses that one compared guess stands for, where there are too many to simulate each. */
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

/** The defaults of LIMIT_COOL_DOWN and of the message limits per number. */
const COOL_DOWNS_MS = [30, 60, 120, 300].map((seconds) => seconds * SECOND_MS);
const MESSAGE_LIMITS = [
  [5, 10 * MINUTE_MS],
  [10, DAY_MS],
] as const;

/**
 * The guess ledger of the server, behind its limits on messages.
 *
 * @param networkGroup of the account's clients in the gauge.
 */
export function latchkey(policy: Policy, gauge: Gauge, networkGroup: number): Defence {
  const rules = { policy, codeLengths: { ...CODE_LENGTHS, usual: USUAL_LENGTH } };
  const record = { known_device: newGuessRecord(), unknown_device: newGuessRecord() };
  const newLimits = () => new MessageLimits(COOL_DOWNS_MS, MESSAGE_LIMITS);
  const messages = { known_device: newLimits(), unknown_device: newLimits() };
  const trusted = (actor: Actor, now: number) =>
    actor === 'known_device' && isTrusted(policy, record.known_device, now);
  /** Attempts by verification, as the verification store counts them. */
  const attempts = new Map<string, number>();
  let opened = 0;
  return {
    guessesAtOnce: 1,
    mayOpenAt: (actor, now) => messages[actor].freeAt(now),
    open(actor, now) {
      messages[actor].take(now);
      opened += 1;
      const codeLength = trusted(actor, now)
        ? USUAL_LENGTH
        : codeLengthFor(rules, record.unknown_device, gauge, now);
      const expiresAt = now + CODE_TTL_MS;
      const id = String(opened);
      return { id, by: actor, codeLength, maxAttempts: MAX_ATTEMPTS, expiresAt, networkGroup };
    },
    guess(actor, verification, now) {
      const before = attempts.get(verification.id) ?? 0;
      if (before >= MAX_ATTEMPTS) return { compared: false, retryAt: null };
      const answer = trusted(actor, now)
        ? knownDeviceGuess(policy, record.known_device, verification, now)
        : unknownDeviceGuess(rules, record.unknown_device, gauge, verification, now);
      if (answer.outcome === 'compare') {
        attempts.set(verification.id, before + 1);
        return COMPARED;
      }
      return { compared: false, retryAt: answer.outcome === 'wait' ? now + answer.waitMs : null };
    },
    succeed(actor, verification, now) {
      forgive(record[actor], actor === 'unknown_device' ? gauge : null, verification, now);
    },
  };
}

/** The limits of another product: it remembers one code and the last hour, and knows no devices. */
interface PeerLimits {
  readonly coolDownMs: number;
  readonly messageLimits: readonly (readonly [points: number, windowMs: number])[];
  readonly guessesPerCode: number;
  readonly codeTtlMs: number;
  readonly guessesAtOnce?: number;
}

/** The strictest limits in common use. */
const FIVE_TRIES_FIVE_CODES_AN_HOUR: PeerLimits = {
  coolDownMs: 0,
  messageLimits: [[5, HOUR_MS]],
  guessesPerCode: 5,
  codeTtlMs: CODE_TTL_MS,
};

/** A resend, here every 45 seconds, allows five more guesses. */
const FRESH_BUDGET_ON_RESEND: PeerLimits = {
  coolDownMs: 45 * SECOND_MS,
  messageLimits: [],
  guessesPerCode: 5,
  codeTtlMs: CODE_TTL_MS,
};

/** Thirty guesses in five minutes from each of a hundred addresses. */
const NO_ATTEMPT_LIMIT_PER_CODE: PeerLimits = {
  coolDownMs: MINUTE_MS,
  messageLimits: [[1, CODE_TTL_MS]],
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
  messageLimits,
  guessesPerCode,
  codeTtlMs,
  guessesAtOnce = 1,
}: PeerLimits): Defence {
  const messages = new MessageLimits([coolDownMs], messageLimits);
  const guesses = new Map<string, number>();
  let opened = 0;
  return {
    guessesAtOnce,
    mayOpenAt: (_, now) => messages.freeAt(now),
    open(_, now) {
      messages.take(now);
      opened += 1;
      const id = String(opened);
      const expiresAt = now + codeTtlMs;
      const maxAttempts = guessesPerCode;
      return { id, by: '', codeLength: USUAL_LENGTH, maxAttempts, expiresAt, networkGroup: 0 };
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

/** Rate limits on messages to one number, and a cool-down that grows with the messages of the last hour. */
class MessageLimits {
  private readonly recent = new FixedWindow(Number.MAX_SAFE_INTEGER, HOUR_MS);
  private readonly windows: FixedWindow[];
  private coolUntil = 0;

  constructor(
    private readonly coolDownsMs: readonly number[],
    rates: readonly (readonly [points: number, windowMs: number])[],
  ) {
    this.windows = rates.map(([points, windowMs]) => new FixedWindow(points, windowMs));
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

/** A rate limit whose window starts with its first message. */
class FixedWindow {
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
