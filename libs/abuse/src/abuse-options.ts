import type { Policy } from './policy.js';
import type { Caps, PriceTable } from './spending.js';

export abstract class AbuseOptions {
  abstract readonly policy: Policy;
  abstract readonly prices: PriceTable;
  abstract readonly caps: Caps;
  /** ISO 3166-1 codes; null: all. */
  abstract readonly allowedCountries: readonly string[] | null;
  /** False: the breaker records what it would have refused and refuses nothing. */
  abstract readonly breakerEnforced: boolean;
  /** Digits of a code where nobody guesses. */
  abstract readonly usualCodeLength: number;
  abstract readonly maxAttempts: number;
}
