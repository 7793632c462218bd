import type { DeliveryChange } from './delivery.js';
import type { Purpose, Verification, VerificationId } from './verification.js';

/** How long a verification can still be looked at after it expired. */
export const KEPT_AFTER_EXPIRY_MS = 3_600_000;

/** A verification as a store keeps it: its number sealed, and a key to find it by that tells nothing. */
export type StoredVerification = Omit<Verification, 'phoneNumber'> & {
  readonly phoneSealed: string;
  readonly phoneIndex: string;
};

/** What a store is given; times are the store's own, so that the clocks of several processes do not matter. */
export type NewVerification = Pick<
  StoredVerification,
  | 'id'
  | 'purpose'
  | 'phoneSealed'
  | 'phoneIndex'
  | 'name'
  | 'locale'
  | 'channel'
  | 'device'
  | 'codeLength'
  | 'secretId'
> & {
  /** Of the first message. */
  readonly ticket: string | null;
  readonly maxAttempts: number;
  readonly ttlMs: number;
  readonly resendAfterMs: number;
  /** Who carries the message. */
  readonly sender: string;
  /** Whether another way may be taken when it does not arrive. */
  readonly hasFallback: boolean;
};

/** One more message that the person asks for. */
export interface Resend {
  readonly resendAfterMs: number;
  readonly channel: string;
  readonly sender: string;
  /** Counts only while no other way was taken yet. */
  readonly hasFallback: boolean;
  /** Replaces the name given before, if it is not null. */
  readonly name?: string | null;
  readonly ticket?: string | null;
}

/** A message that was asked for and of which nobody knows yet that it went out. */
export interface Unsent {
  readonly id: VerificationId;
  readonly send: number;
}

/**
 * Where verifications wait for their code. Each verb is atomic: a driver that reads, decides in JavaScript and
 * writes back would let parallel guesses share an attempt. A store that cannot answer throws Unavailable and
 * never says "absent".
 */
export abstract class VerificationStore {
  abstract open(verification: NewVerification): Promise<StoredVerification>;

  abstract find(id: VerificationId): Promise<StoredVerification | null>;

  /** The newest one of the number and purpose that still takes codes, and was opened by this device or by strangers. */
  abstract findOpen(
    purpose: Purpose,
    phoneIndex: string,
    device: string | null,
  ): Promise<StoredVerification | null>;

  /** Asks for one more message; null when it takes no more codes. */
  abstract resend(id: VerificationId, resend: Resend): Promise<StoredVerification | null>;

  /** Counts one attempt, before anything is compared; null when there is nothing left to attempt. */
  abstract attempt(id: VerificationId): Promise<StoredVerification | null>;

  /**
   * The right code was given: true for exactly one caller, however many ask at once. Its attempt is given back,
   * and nobody else gets one, until `approve` or `release`, or until the lease is over because the caller died.
   */
  abstract claim(id: VerificationId, leaseMs: number): Promise<boolean>;

  /** The claim bore fruit. */
  abstract approve(id: VerificationId): Promise<void>;

  /** The claim came to nothing: the code is as good as before. */
  abstract release(id: VerificationId): Promise<void>;

  /** Takes no more codes, as if all attempts were used up. */
  abstract exhaust(id: VerificationId): Promise<void>;

  /** False when the verification was not open any more. */
  abstract cancel(id: VerificationId): Promise<boolean>;

  /** Writes a delivery's new state; null, and nothing is written, when it is not the one that was read any more. */
  abstract changeDelivery(
    id: VerificationId,
    version: number,
    change: DeliveryChange,
  ): Promise<StoredVerification | null>;

  /** Messages that have been queued for longer than this, oldest first, whether their code still lives or not. */
  abstract unsent(olderThanMs: number, limit: number): Promise<Unsent[]>;

  /** Those whose message was asked for longer ago than this, is not known to be out, and may take another way. */
  abstract overdue(olderThanMs: number, limit: number): Promise<VerificationId[]>;

  /** Those of these that there are, in no order. */
  abstract findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]>;

  /** Forgets what expired long ago. */
  abstract purge(): Promise<void>;
}
