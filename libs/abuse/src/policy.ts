import { readJsonFile } from '#config';

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

/** A scope that is half-open while a wide scope of the same message is stepped up. */
export interface NarrowScopePolicy extends ScopePolicy {
  /** Unanswered messages that the scope may have then, in place of `pending`. Beyond them it gets half-open probes. */
  readonly strict: number;
  /** Time from the scope's last message to a half-open probe. */
  readonly strictWaitSeconds: number;
}

interface CountryPolicy extends ScopePolicy {
  /** Crowded messages at which the country trips, whatever else is verified in it. */
  readonly crowd: number;
  /** Unanswered messages of all new networks together, from which they need a proof of work. */
  readonly newNetworkProofFrom: number;
  /** Unanswered messages of all new networks together, from which they get no more to unknown numbers. */
  readonly newNetworkMost: number;
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
    /** The share of a tripped scope's losses that is refunded to its wider scopes. */
    readonly refundedShare: number;
    readonly address: NarrowScopePolicy;
    readonly network: NarrowScopePolicy;
    /** Length of a network's block if it trips again after a step-up. */
    readonly networkBlockSeconds: number;
    /** The wider networks: IPv4 /16 and IPv6 /40, and IPv6 /32. */
    readonly wideNetwork: NarrowScopePolicy;
    readonly widestNetwork: NarrowScopePolicy;
    readonly numbers10k: NarrowScopePolicy;
    /** Time from the block of a range of 10,000 numbers to its first half-open probe. Each later wait is twice as long. */
    readonly probeSeconds: number;
    readonly numbers100k: NarrowScopePolicy;
    readonly country: CountryPolicy;
    /** Unanswered messages in a range of 10,000 numbers from which one more counts as entirely crowded. */
    readonly crowdedFrom: number;
    readonly crowdHalfLifeSeconds: number;
    /** Half-life of the unanswered messages of new networks. */
    readonly newNetworkHalfLifeSeconds: number;
    /** `lose` is the minimum: the system trips at `busiestHours` times the busiest hour of verified messages. */
    readonly system: ScopePolicy & { readonly busiestHours: number };
    /** Unanswered messages in a day of one number, up to which an exemption holds. */
    readonly lanes: {
      /** A known number is exempt from blocks of its range, a known device from every block. */
      readonly exempt: number;
      /** A known device needs no proof of work. */
      readonly withoutProof: number;
      /** Unanswered messages in a range of 10,000 numbers from which exempt messages count in it. */
      readonly countedFrom: number;
    };
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
     * Guesses that clients have in a year at codes of `/signup` which they did not request, and attempts that each of them
     * has at one verification. Fewer a year than `eightDigitsFrom`, so that they change nothing for the owner.
     */
    readonly unrequestedPerYear: number;
    readonly unrequestedAttempts: number;
    /**
     * Numbers of one country whose short codes are guessed at in one day, above which its unknown devices get eight digits.
     * The day must also exceed `gaugeTimesMedian` times the numbers that sign in on the median day.
     */
    readonly gaugeNumbers: number;
    readonly gaugeTimesMedian: number;
    /** Groups of networks, of 128, that the guesses must come from: each counts for no more than its share. */
    readonly gaugeNetworks: number;
    /** Countries raised in one day, from which unknown devices of all countries get eight digits. */
    readonly gaugeCountries: number;
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
    /** Messages to a country are refused for this time after a provider refused one because of its country. */
    readonly countryRefusedSeconds: number;
    /** A refusal within this time after a message that was sent concerns a range of numbers, not the country. */
    readonly countryServedSeconds: number;
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
    refundedShare: 0.5,
    address: { lose: 6, pending: 4, credit: 3, holdSeconds: HOUR, strict: 3, strictWaitSeconds: HOUR },
    network: { lose: 12, pending: 12, credit: 4, holdSeconds: HOUR, strict: 2, strictWaitSeconds: HOUR },
    networkBlockSeconds: 6 * HOUR,
    wideNetwork: { lose: 48, pending: 60, credit: 4, holdSeconds: HOUR, strict: 8, strictWaitSeconds: 300 },
    widestNetwork: {
      lose: 100,
      pending: 150,
      credit: 4,
      holdSeconds: HOUR,
      strict: 16,
      strictWaitSeconds: 300,
    },
    numbers10k: {
      lose: 14,
      pending: 10,
      credit: 4,
      holdSeconds: 24 * HOUR,
      strict: 1,
      strictWaitSeconds: 90,
    },
    probeSeconds: 1_200,
    numbers100k: { lose: 40, pending: 60, credit: 4, holdSeconds: HOUR, strict: 10, strictWaitSeconds: 300 },
    country: {
      lose: 250,
      pending: 600,
      credit: 4,
      holdSeconds: HOUR,
      crowd: 120,
      newNetworkProofFrom: 250,
      newNetworkMost: 500,
    },
    crowdedFrom: 4,
    crowdHalfLifeSeconds: 6 * HOUR,
    newNetworkHalfLifeSeconds: HOUR,
    system: { lose: 1_000, pending: Number.MAX_SAFE_INTEGER, credit: 0, holdSeconds: HOUR, busiestHours: 2 },
    lanes: { exempt: 1, withoutProof: 5, countedFrom: 2 },
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
    unrequestedPerYear: 4,
    unrequestedAttempts: 2,
    gaugeNumbers: 1_000,
    gaugeTimesMedian: 0.05,
    gaugeNetworks: 100,
    gaugeCountries: 3,
    contestedSends: 3,
  },
  proof: { hashes: 20_000, mostHashes: 2_000_000, lifetimeSeconds: 300 },
  spending: {
    warnAt: 0.8,
    keptForKnownDevices: 0.1,
    countryRefusedSeconds: 600,
    countryServedSeconds: 24 * HOUR,
  },
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
  try {
    return readJsonFile(file);
  } catch (error) {
    throw new PolicyFault((error as Error).message);
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
