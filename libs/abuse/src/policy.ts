import { readFileSync } from 'node:fs';

/** What a scope does when it trips: asks for a proof of work, or holds its messages back. */
export type Action = 'step_up' | 'block';

/** How much one scope may lose before it trips, and what happens then. */
export interface ScopePolicy {
  /** Unverified messages in excess of what genuine senders leave behind, before the scope trips. */
  readonly lose: number;
  /** Messages that may be unsettled at once, before anything was verified here. */
  readonly pending: number;
  /** Further ones for each message that was verified here lately. */
  readonly credit: number;
  readonly holdSeconds: number;
}

/** Every number of the abuse policy; docs/abuse.md explains them. A policy file replaces any of them. */
export interface Policy {
  readonly breaker: {
    /** The share of messages that is verified among the worst of genuine senders, and among pumpers. */
    readonly genuineConversion: number;
    readonly pumpedConversion: number;
    /** A message that is not verified by then counts as unverified until it is. */
    readonly settleSeconds: number;
    /** What was verified counts half after this. */
    readonly creditHalfLifeSeconds: number;
    /** A message that the provider calls fraud counts like so many unverified ones. */
    readonly fraudSignalMessages: number;
    readonly address: ScopePolicy;
    readonly network: ScopePolicy;
    /** What a network is held back for that goes on after it was stepped up. */
    readonly networkBlockSeconds: number;
    readonly numbers10k: ScopePolicy;
    /** A block of 10,000 numbers that is held back lets one message through this often. */
    readonly probeSeconds: number;
    readonly numbers100k: ScopePolicy;
    readonly country: ScopePolicy;
    /** `lose` is the least; what counts is `busiestHours` times the busiest hour of the last seven days. */
    readonly system: ScopePolicy & { readonly busiestHours: number };
  };
  readonly guesses: {
    readonly perHour: number;
    readonly perDay: number;
    readonly perYear: number;
    /** Beyond a budget of n guesses strangers wait `delaySeconds` · 2^(n - delayFrom), at most `longestDelaySeconds`. */
    readonly delaySeconds: number;
    readonly delayFrom: number;
    readonly longestDelaySeconds: number;
    /** Foreign failures of a year from which strangers get codes of eight digits, and of ten characters. */
    readonly eightDigitsFrom: number;
    readonly tenCharactersFrom: number;
    /** Guesses at codes of fewer than eight digits that strangers have in a year. */
    readonly shortGuessesPerYear: number;
    /** Above both, strangers get eight digits everywhere: so many in a day, and so many times the usual day. */
    readonly gaugePerDay: number;
    readonly gaugeTimesMedian: number;
    /** Unverified messages of strangers in a day from which the next stranger is stepped up. */
    readonly contestedSends: number;
  };
  readonly proof: {
    /** Hashes that a proof takes on average at the lowest risk, and at the highest. */
    readonly hashes: number;
    readonly mostHashes: number;
    readonly lifetimeSeconds: number;
  };
  readonly spending: {
    /** The share of a cap at which a warning is given. */
    readonly warnAt: number;
    /** The share of a cap that only known devices may spend. */
    readonly keptForKnownDevices: number;
  };
}

const HOUR = 3_600;

export const DEFAULT_POLICY: Policy = {
  breaker: {
    genuineConversion: 0.6,
    pumpedConversion: 0.02,
    settleSeconds: 60,
    creditHalfLifeSeconds: 600,
    fraudSignalMessages: 7,
    address: { lose: 6, pending: 4, credit: 3, holdSeconds: HOUR },
    network: { lose: 12, pending: 12, credit: 4, holdSeconds: HOUR },
    networkBlockSeconds: 6 * HOUR,
    numbers10k: { lose: 14, pending: 20, credit: 4, holdSeconds: 12 * HOUR },
    probeSeconds: 600,
    numbers100k: { lose: 40, pending: 60, credit: 4, holdSeconds: 12 * HOUR },
    country: { lose: 300, pending: 600, credit: 4, holdSeconds: HOUR },
    system: { lose: 1_000, pending: Number.MAX_SAFE_INTEGER, credit: 0, holdSeconds: HOUR, busiestHours: 2 },
  },
  guesses: {
    perHour: 10,
    perDay: 20,
    perYear: 80,
    delaySeconds: 30,
    delayFrom: 5,
    longestDelaySeconds: HOUR,
    eightDigitsFrom: 5,
    tenCharactersFrom: 20,
    shortGuessesPerYear: 9,
    gaugePerDay: 270,
    gaugeTimesMedian: 10,
    contestedSends: 3,
  },
  proof: { hashes: 20_000, mostHashes: 2_000_000, lifetimeSeconds: 300 },
  spending: { warnAt: 0.8, keptForKnownDevices: 0.1 },
};

/** The policy file cannot be used; says where and why. */
export class PolicyFault extends Error {}

/**
 * The default policy with the members of a JSON file over it.
 *
 * @throws PolicyFault
 */
export function readPolicy(file: string | null): Policy {
  if (file === null) return DEFAULT_POLICY;
  const policy = replaced(DEFAULT_POLICY, parsed(file), 'policy') as Policy;
  const { genuineConversion, pumpedConversion } = policy.breaker;
  if (!(0 < pumpedConversion && pumpedConversion < genuineConversion && genuineConversion < 1))
    throw new PolicyFault('policy.breaker: 0 < pumpedConversion < genuineConversion < 1 must hold');
  return policy;
}

function parsed(file: string): unknown {
  const text = textOf(file);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote the file.
    throw new PolicyFault('the policy file is not JSON');
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PolicyFault(`the policy file cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function replaced(original: unknown, given: unknown, path: string): unknown {
  if (typeof original === 'number') {
    if (typeof given === 'number' && given >= 0) return given;
    throw new PolicyFault(`${path} must be a number, zero or more`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new PolicyFault(`${path} must be an object`);
  const members = original as Record<string, unknown>;
  const result = { ...members };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(members, name)) throw new PolicyFault(`${path}.${name} is not known`);
    result[name] = replaced(members[name], value, `${path}.${name}`);
  }
  return result;
}
