import { readFileSync } from 'node:fs';

/** The effect of a trip on a scope's messages: they need a proof of work, or they are not sent. */
export type Action = 'step_up' | 'block';

/** The losses that one scope may have before it trips, and the length of the block that follows. */
export interface ScopePolicy {
  /** Unverified messages, in excess of those that genuine requesters leave behind, at which the scope trips. */
  readonly lose: number;
  /** Unsettled messages (sent, code not typed in yet) that the scope may have while none of its messages was verified. */
  readonly pending: number;
  /** Additional unsettled messages for each recently verified message. */
  readonly credit: number;
  readonly holdSeconds: number;
}

/** All numbers of the abuse policy, explained in docs/abuse.md. A policy file may replace any of them. */
export interface Policy {
  readonly breaker: {
    /** The share of messages whose code is typed in: of the worst genuine requesters, and of SMS pumpers. */
    readonly genuineConversion: number;
    readonly pumpedConversion: number;
    /** A message without its code after this time counts as unverified, until the code is typed in after all. */
    readonly settleSeconds: number;
    /** Half-life of the credit for verified messages. */
    readonly creditHalfLifeSeconds: number;
    /** Unverified messages that one fraud report of the provider counts as. */
    readonly fraudSignalMessages: number;
    readonly address: ScopePolicy;
    readonly network: ScopePolicy;
    /** Length of a network's block if it trips again after a step-up. */
    readonly networkBlockSeconds: number;
    readonly numbers10k: ScopePolicy;
    /** Interval between half-open probes: the single messages that a blocked range of 10,000 numbers still gets. */
    readonly probeSeconds: number;
    readonly numbers100k: ScopePolicy;
    readonly country: ScopePolicy;
    /** `lose` is the minimum: the system trips at `busiestHours` times the busiest hour of the last seven days. */
    readonly system: ScopePolicy & { readonly busiestHours: number };
  };
  readonly guesses: {
    /** Budgets of guesses per number. */
    readonly perHour: number;
    readonly perDay: number;
    readonly perYear: number;
    /**
     * The wait of unknown devices after the n-th guess, once a budget is used up:
     * `delaySeconds` · 2^(n - `delayFrom`), at most `longestDelaySeconds`.
     */
    readonly delaySeconds: number;
    readonly delayFrom: number;
    readonly longestDelaySeconds: number;
    /** Foreign guesses in a year from which unknown devices get codes of eight digits, and of ten characters. */
    readonly eightDigitsFrom: number;
    readonly tenCharactersFrom: number;
    /** Guesses that unknown devices have in a year at codes of fewer than eight digits. */
    readonly shortGuessesPerYear: number;
    /**
     * Guesses at short codes in one day, over the whole system, above which all unknown devices get eight digits.
     * The day must also exceed the median day by a factor of `gaugeTimesMedian`.
     */
    readonly gaugePerDay: number;
    readonly gaugeTimesMedian: number;
    /** Unverified messages of unknown devices to one number in a day, after which the next one needs a proof of work. */
    readonly contestedSends: number;
  };
  readonly proof: {
    /** Average hashes of a proof of work, at the lowest and at the highest risk. */
    readonly hashes: number;
    readonly mostHashes: number;
    readonly lifetimeSeconds: number;
  };
  readonly spending: {
    /** The share of a cap at which a warning is recorded. */
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

/** An unusable policy file. The message names the member and the rule, never a value. */
export class PolicyFault extends Error {}

/**
 * Returns the default policy, with the members of a JSON file replaced.
 *
 * @throws PolicyFault
 */
export function readPolicy(file: string | null): Policy {
  if (file === null) return DEFAULT_POLICY;
  const policy = merge(DEFAULT_POLICY, parse(file), 'policy') as Policy;
  const { genuineConversion, pumpedConversion } = policy.breaker;
  if (!(0 < pumpedConversion && pumpedConversion < genuineConversion && genuineConversion < 1))
    throw new PolicyFault('policy.breaker must satisfy 0 < pumpedConversion < genuineConversion < 1');
  return policy;
}

function parse(file: string): unknown {
  const text = read(file);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message would quote the file.
    throw new PolicyFault('the policy file is not valid JSON');
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PolicyFault(`the policy file cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Returns `original` with the members of `given` replaced. Unknown members and other types are faults. */
function merge(original: unknown, given: unknown, path: string): unknown {
  if (typeof original === 'number') {
    if (typeof given === 'number' && given >= 0) return given;
    throw new PolicyFault(`${path} must be a number of at least zero`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new PolicyFault(`${path} must be an object`);
  const members = original as Record<string, unknown>;
  const result = { ...members };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(members, name)) throw new PolicyFault(`${path}.${name} is not a member of the policy`);
    result[name] = merge(members[name], value, `${path}.${name}`);
  }
  return result;
}
