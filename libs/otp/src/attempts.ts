import type { Verification } from './verification.js';
import type { ClientAttempts } from './verification-store.js';

/**
 * Permission to compare one code, given by the guess policy after it counted the guess. `attempt` requires it, so that no
 * caller forgets to ask the policy.
 */
export interface AdmittedGuess {
  /** As it was read before the guess. */
  readonly verification: Verification;
  /** Null when the verification has only one client. */
  readonly attempts: ClientAttempts | null;
}

/** A verification whose right code was given. Other callers may have given it too. */
export interface ProvenVerification extends Verification {
  /** The client that gave the code; null when the verification has only one. */
  readonly provenBy: ClientAttempts | null;
}

/** A verification whose right code was given, claimed for one caller. */
export type ClaimedVerification = Verification & { readonly __claimed: true };

/** Returns the attempts that a client has left. */
export function attemptsLeft(
  { attemptsBy }: Pick<Verification, 'attemptsBy'>,
  { client, limit, group }: ClientAttempts,
): number {
  const left = limit - (attemptsBy[client] ?? 0);
  return group ? Math.min(left, group.limit - (attemptsBy[group.name] ?? 0)) : left;
}
