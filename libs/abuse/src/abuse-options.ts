import type { CodeLengths } from './guessing/guess-ledger.js';
import type { Policy } from './policy.js';
import type { Caps, PriceTable } from './pumping/spending.js';

export abstract class AbuseOptions {
  abstract readonly policy: Policy;
  abstract readonly prices: PriceTable;
  abstract readonly caps: Caps;
  /** ISO 3166-1 codes; null: all. */
  abstract readonly allowedCountries: readonly string[] | null;
  /** False: the breaker only records what it would have refused. */
  abstract readonly breakerEnforced: boolean;
  abstract readonly codeLengths: CodeLengths;
  /** Guesses at one verification. */
  abstract readonly maxAttempts: number;
}
