import type { Route } from '#config';
import type { DeliveryChange } from './delivery.js';
import type { Purpose, Verification, VerificationId } from './verification.js';

/** The time for which a verification can be read after it expired. */
export const KEPT_AFTER_EXPIRY_MS = 3_600_000;

/** A verification as stored: the phone number is sealed, and found by its keyed index. */
export type StoredVerification = Omit<Verification, 'phoneNumber'> & {
  readonly phoneSealed: string;
  readonly phoneIndex: string;
};

/** A verification to store. Durations are relative to the store's clock, so that clocks of processes may differ. */
export type NewVerification = Pick<
  StoredVerification,
  | 'id'
  | 'purpose'
  | 'phoneSealed'
  | 'phoneIndex'
  | 'name'
  | 'locale'
  | 'route'
  | 'device'
  | 'codeLength'
  | 'secretId'
> & {
  /** The abuse policy's ticket of the first message. */
  readonly ticket: string | null;
  readonly maxAttempts: number;
  readonly ttlMs: number;
  readonly resendAfterMs: number;
  /** True if the code may fall back to another route. */
  readonly hasFallback: boolean;
};

/** One more message that the client requests. */
export interface Resend {
  readonly resendAfterMs: number;
  readonly route: Route;
  /** Ignored once the verification has used its fallback. */
  readonly hasFallback: boolean;
  /** Replaces the name given before, unless it is null. */
  readonly name?: string | null;
  readonly ticket?: string | null;
}

/** A message that is still queued. */
export interface QueuedMessage {
  readonly id: VerificationId;
  readonly messageNumber: number;
}

/**
 * Stores verifications. Every change is atomic: a driver that reads, decides in JavaScript and writes back would let
 * parallel guesses share one attempt. A store that cannot answer throws Unavailable and never reports "absent".
 */
export abstract class VerificationStore {
  abstract open(verification: NewVerification): Promise<StoredVerification>;

  abstract find(id: VerificationId): Promise<StoredVerification | null>;

  /**
   * Returns the newest verification of the number and purpose that still takes codes.
   *
   * @param device the known device that opened it; null for one that an unknown device opened.
   */
  abstract findOpen(
    purpose: Purpose,
    phoneIndex: string,
    device: string | null,
  ): Promise<StoredVerification | null>;

  /** Queues one more message. Returns null when the verification takes no more codes. */
  abstract resend(id: VerificationId, resend: Resend): Promise<StoredVerification | null>;

  /** Counts one attempt before anything is compared. Returns null when no attempts are left. */
  abstract attempt(id: VerificationId): Promise<StoredVerification | null>;

  /**
   * Claims the verification for the caller who gave the right code. Returns true for exactly one caller under any
   * concurrency. Restores the attempt. No other caller can claim it until `approve`, `release` or the end of the lease;
   * the lease is for callers that died.
   */
  abstract claim(id: VerificationId, leaseMs: number): Promise<boolean>;

  /** Confirms the claim. */
  abstract approve(id: VerificationId): Promise<void>;

  /** Ends the claim without success: the code can be used again. */
  abstract release(id: VerificationId): Promise<void>;

  /** Closes the verification as if all attempts were used. */
  abstract exhaust(id: VerificationId): Promise<void>;

  /** Returns false when the verification was not open. */
  abstract cancel(id: VerificationId): Promise<boolean>;

  /** Writes a delivery's next state. Returns null, and writes nothing, when its version is no longer the given one. */
  abstract changeDelivery(
    id: VerificationId,
    version: number,
    change: DeliveryChange,
  ): Promise<StoredVerification | null>;

  /** Returns messages queued for longer than this, oldest first, including those whose code has expired. */
  abstract queuedMessages(olderThanMs: number, limit: number): Promise<QueuedMessage[]>;

  /** Returns verifications that may fall back because their message was requested longer ago than this and is not sent. */
  abstract overdue(olderThanMs: number, limit: number): Promise<VerificationId[]>;

  /** Returns those of the verifications that exist, in any order. */
  abstract findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]>;

  /** Deletes verifications that expired longer ago than `KEPT_AFTER_EXPIRY_MS`. */
  abstract purge(): Promise<void>;
}
