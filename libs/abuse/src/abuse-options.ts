import type { CodeLengths } from './guessing/guess-ledger.js';
import type { Policy } from './policy.js';
import type { PriceTable } from './pumping/prices.js';
import type { Caps } from './pumping/spending.js';

export abstract class AbuseOptions {
  abstract readonly policy: Policy;
  abstract readonly prices: PriceTable;
  abstract readonly caps: Caps;
  /** ISO 3166-1 codes; null: all. */
  abstract readonly allowedCountries: readonly string[] | null;
  /** False: the breaker only records what it would have refused. */
  abstract readonly breakerEnforced: boolean;
  /** True: a trial without real messages, whose limits are monitored. Events then say that production enforces them. */
  abstract readonly trial: boolean;
  abstract readonly codeLengths: CodeLengths;
  /** Guesses at one verification. */
  abstract readonly maxAttempts: number;
}
