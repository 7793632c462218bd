import { type Guessable, NETWORK_GROUPS, newGauge, type Policy } from '#abuse';
import { type Actor, type Defence, latchkey, PEERS, peer } from './defences.js';
import { Random } from './random.js';

export interface GuessOutcome {
  readonly name: string;
  readonly takeoversPerAccountYear: number;
  /** The share of the owner's sign-ins that succeed under attack, on a known device. */
  readonly ownerSuccess: number;
  /** The same on an unknown device. */
  readonly ownerSuccessNewDevice: number;
  /** The share of sign-ins without an attack that get a longer code. */
  readonly longerCodesWhenCalm: number;
}

export interface GuessOptions {
  readonly policy: Policy;
  readonly seed: number;
  /** 1: the numbers of accounts in the documentation. */
  readonly scale?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;
const START = Date.UTC(2026, 0, 1);

const ATTACKED_ACCOUNTS = 200;
/** From this length on the attacker gains nothing by guessing late. */
const LONG_CODE = 8;
const LAST_MOMENT_MS = 15 * SECOND_MS;
const CALM_ACCOUNTS = 100_000;
const CALM_DAYS = 30;
/** Peers remember nothing for longer than an hour, so a week stands for the year. */
const PEER_DAYS = 7;

const NEW_DEVICE_SHARE = 0.3;
const TYPO_SHARE = 0.08;
const GIVEN_UP_SHARE = 0.05;
/** The time for which an owner keeps trying. */
const PATIENCE_MS = 600 * SECOND_MS;
const TYPING_MS = 20 * SECOND_MS;

interface SignIn {
  readonly outcome: 'signed_in' | 'refused' | 'given_up';
  /** Null: no code was sent. */
  readonly codeLength: number | null;
}

/** Measures the guess ledger and its peers, with one attacker per account and without an attack. */
export function simulateGuessing({ policy, seed, scale = 1, onProgress }: GuessOptions): GuessOutcome[] {
  const names = ['latchkey', ...(Object.keys(PEERS) as (keyof typeof PEERS)[])] as const;
  return names.map((name, i) => {
    const random = new Random(seed);
    const days = name === 'latchkey' ? 365 : PEER_DAYS;
    // An attack on few accounts does not move the system-wide gauge, so each account here has its own.
    let accounts = 0;
    const make = (gauge = newGauge()) => {
      if (name !== 'latchkey') return peer(PEERS[name]);
      accounts += 1;
      return latchkey(policy, gauge, accounts % NETWORK_GROUPS);
    };
    const attacked = Array.from({ length: Math.ceil(ATTACKED_ACCOUNTS * scale) }, () =>
      attackedAccount(make(), random, START + days * DAY_MS),
    );
    const outcome = {
      name,
      takeoversPerAccountYear: mean(
        attacked.map(({ information }) => 1 - Math.exp((-information * YEAR_MS) / (days * DAY_MS))),
      ),
      ownerSuccess: mean(attacked.flatMap(({ owner }) => owner.known_device.map(Number))),
      ownerSuccessNewDevice: mean(attacked.flatMap(({ owner }) => owner.unknown_device.map(Number))),
      longerCodesWhenCalm:
        // Peers have only one code length.
        name === 'latchkey' ? calmShare(make, random, Math.ceil(CALM_ACCOUNTS * scale)) : 0,
    };
    onProgress?.(i + 1, names.length);
    return outcome;
  });
}

/**
 * The attacker requests every message as early as possible and guesses whenever a guess is compared. No guess is ever
 * right here. Each adds its probability instead, so that a risk of a millionth does not need a million accounts.
 */
function attackedAccount(
  defence: Defence,
  random: Random,
  end: number,
): { information: number; owner: Record<Actor, boolean[]> } {
  const owner: Record<Actor, boolean[]> = { known_device: [], unknown_device: [] };
  const attacker = new Attacker(defence, START + random.next() * HOUR_MS);
  for (let at = START + random.next() * WEEK_MS; at < end; at += WEEK_MS * (0.5 + random.next())) {
    const actor = random.chance(NEW_DEVICE_SHARE) ? 'unknown_device' : 'known_device';
    const { outcome } = signIn(defence, actor, random, at, (now) => attacker.actUntil(now));
    // An owner who gives up after a typo was not locked out.
    if (outcome !== 'given_up') owner[actor].push(outcome === 'signed_in');
  }
  attacker.actUntil(end);
  return { information: attacker.information, owner };
}

class Attacker {
  /** The sum of the probabilities of the guesses that were compared. */
  information = 0;
  private open: Guessable[] = [];

  constructor(
    private readonly defence: Defence,
    private nextAt: number,
  ) {}

  actUntil(end: number): void {
    while (this.nextAt <= end) this.nextAt = this.act(this.nextAt);
  }

  /** @returns the time of the next action. */
  private act(now: number): number {
    if (this.defence.mayOpenAt('unknown_device', now) <= now)
      this.open.push(this.defence.open('unknown_device', now));
    const retries: number[] = [];
    this.open = this.open.filter((verification) => {
      const retryAt = this.guessAt(verification, now);
      if (retryAt === null || retryAt >= verification.expiresAt) return false;
      retries.push(retryAt);
      return true;
    });
    return Math.max(now + SECOND_MS, Math.min(this.defence.mayOpenAt('unknown_device', now), ...retries));
  }

  /**
   * Guesses at short codes just before they expire: until a guess fails, further codes are short too.
   *
   * @returns the time of the next guess; null: never.
   */
  private guessAt(verification: Guessable, now: number): number | null {
    const lastMoment = verification.expiresAt - LAST_MOMENT_MS;
    if (verification.codeLength < LONG_CODE && now < lastMoment) return lastMoment;
    for (;;) {
      const guess = this.defence.guess('unknown_device', verification, now);
      if (!guess.compared) return guess.retryAt;
      this.information += this.defence.guessesAtOnce / codesOf(verification.codeLength);
    }
  }
}

/** Codes of ten characters use an alphabet of 32. */
function codesOf(length: number): number {
  return length >= 10 ? 32 ** length : 10 ** length;
}

/** One sign-in of the owner, who waits and tries again until out of patience. */
function signIn(
  defence: Defence,
  actor: Actor,
  random: Random,
  start: number,
  meanwhile: (now: number) => void = () => undefined,
): SignIn {
  const patientUntil = start + PATIENCE_MS;
  meanwhile(start);
  const sentAt = waitFor(start, patientUntil, meanwhile, (now) => defence.mayOpenAt(actor, now));
  if (sentAt === null) return { outcome: 'refused', codeLength: null };
  const verification = defence.open(actor, sentAt);
  const { codeLength } = verification;
  for (let at = sentAt + TYPING_MS; ; at += TYPING_MS) {
    meanwhile(at);
    const guess = defence.guess(actor, verification, at);
    if (!guess.compared) {
      if (guess.retryAt === null || guess.retryAt >= Math.min(patientUntil, verification.expiresAt))
        return { outcome: 'refused', codeLength };
      at = guess.retryAt;
      continue;
    }
    if (!random.chance(TYPO_SHARE)) {
      defence.succeed(actor, verification, at);
      return { outcome: 'signed_in', codeLength };
    }
    if (random.chance(GIVEN_UP_SHARE)) return { outcome: 'given_up', codeLength };
  }
}

function waitFor(
  start: number,
  end: number,
  meanwhile: (now: number) => void,
  freeAt: (now: number) => number,
): number | null {
  for (let now = start; now <= end; ) {
    const free = freeAt(now);
    if (free <= now) return now;
    now = free;
    if (now <= end) meanwhile(now);
  }
  return null;
}

/** @returns the share of sign-ins without an attack whose code has another length than usual. */
function calmShare(
  make: (gauge: ReturnType<typeof newGauge>) => Defence,
  random: Random,
  accounts: number,
): number {
  const gauge = newGauge();
  const defences = Array.from({ length: accounts }, () => make(gauge));
  const visits = defences
    .flatMap((defence) => {
      const times: { at: number; defence: Defence }[] = [];
      for (
        let at = START + random.next() * WEEK_MS;
        at < START + CALM_DAYS * DAY_MS;
        at += WEEK_MS * (0.5 + random.next())
      )
        times.push({ at, defence });
      return times;
    })
    .sort((a, b) => a.at - b.at);
  const longer = visits.filter(({ at, defence }) => {
    const actor = random.chance(NEW_DEVICE_SHARE) ? 'unknown_device' : 'known_device';
    const { codeLength } = signIn(defence, actor, random, at);
    return codeLength !== null && codeLength !== 6;
  });
  return longer.length / visits.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
