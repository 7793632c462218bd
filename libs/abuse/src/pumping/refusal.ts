import type { ReachedLimit } from '../limits/limits.service.js';
import type { Obstacle } from './spending.service.js';
import { tellsUnknownNumber as isOnlyForUnknownNumbers, type Verdict } from './verdict.js';

/** The checks of a message that can be paid for. */
export interface Grounds {
  /** Of the breaker. Always `send` in its monitor mode. */
  readonly verdict: Verdict;
  /** The first enforced limit that the message has reached. */
  readonly limit: ReachedLimit | null;
  /** The number is contested, and the request brought no proof of work. */
  readonly needsProof: boolean;
}

export type Refusal =
  | { readonly by: 'spending'; readonly obstacle: Obstacle }
  | { readonly by: 'breaker'; readonly verdict: Verdict }
  | { readonly by: 'limit'; readonly limit: ReachedLimit }
  | { readonly by: 'contest' };

/**
 * Chooses the refusal of a message; null: it may be sent. Checks that exempt numbers which have signed in before come last:
 * an earlier one would tell by its absence who has an account.
 */
export function refusalOf({ verdict, limit, needsProof }: Grounds): Refusal | null {
  const isRefused = verdict.outcome !== 'send';
  if (isRefused && !isOnlyForUnknownNumbers(verdict)) return { by: 'breaker', verdict };
  if (limit) return { by: 'limit', limit };
  if (needsProof) return { by: 'contest' };
  return isRefused ? { by: 'breaker', verdict } : null;
}

/** Returns true if the refusal tells that the number has not signed in before. */
export function tellsUnknownNumber(refusal: Refusal): boolean {
  return refusal.by === 'breaker' && isOnlyForUnknownNumbers(refusal.verdict);
}
