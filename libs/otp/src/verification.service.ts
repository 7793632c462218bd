import { Injectable, Logger } from '@nestjs/common';
import type { Route } from '#config';
import { CodeRejected, NotFound, VerificationClosed } from '#errors';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { deriveCode, isSameCode, readCode } from './code.js';
import type { DeliveryChange } from './delivery.js';
import { TestNumbers } from './test-numbers.js';
import { newVerificationId, type Purpose, type Verification, type VerificationId } from './verification.js';
import {
  type QueuedMessage,
  type Resend,
  type StoredVerification,
  VerificationStore,
} from './verification-store.js';

/** Longer than writing a user and a token takes, and shorter than a client waits. */
const CLAIM_MS = 10_000;

export abstract class OtpPolicy {
  /** The life of a code, in milliseconds. */
  abstract readonly ttlMs: number;
  abstract readonly maxAttempts: number;
}

/** A request to open a verification. */
export interface VerificationRequest {
  readonly purpose: Purpose;
  readonly phoneNumber: PhoneNumber;
  readonly route: Route;
  /** True if the code may fall back to another route. */
  readonly hasFallback: boolean;
  readonly codeLength: number;
  /** The known device that requests it; null for an unknown device. */
  readonly device: string | null;
  /** The abuse policy's ticket of the message. */
  readonly ticket: string | null;
  readonly name?: string | null;
  readonly locale?: string | null;
}

/**
 * Permission to compare one code, given by the guess policy after it counted the guess. `attempt` requires it, so that no
 * caller forgets to ask the policy.
 */
export interface AdmittedGuess {
  readonly verificationId: VerificationId;
}

/** A verification whose right code was given, claimed for one caller. */
export type ClaimedVerification = Verification & { readonly __claimed: true };

/** Proofs that a person holds a phone number. Derives each code when it is needed, and stores it nowhere. */
@Injectable()
export class VerificationService {
  private readonly logger = new Logger('Verification');

  constructor(
    private readonly store: VerificationStore,
    private readonly keys: Keys,
    private readonly policy: OtpPolicy,
    private readonly testNumbers: TestNumbers,
  ) {}

  /** @param resendAfterMs the wait before the client may request the next message. */
  async open(request: VerificationRequest, resendAfterMs: number): Promise<Verification> {
    const { purpose, phoneNumber, route, hasFallback, codeLength, device, ticket } = request;
    const { name = null, locale = null } = request;
    const opened = await this.store.open({
      ...{ purpose, route, hasFallback, device, ticket, name, locale },
      id: newVerificationId(),
      phoneIndex: this.keys.phoneIndexOf(phoneNumber),
      phoneSealed: this.keys.seal(phoneNumber),
      codeLength: this.testNumbers.codeOf(phoneNumber)?.length ?? codeLength,
      secretId: this.keys.secretId,
      maxAttempts: this.policy.maxAttempts,
      ttlMs: this.policy.ttlMs,
      resendAfterMs,
    });
    return this.unsealed(opened);
  }

  /** @throws NotFound */
  async get(id: VerificationId): Promise<Verification> {
    const found = await this.store.find(id);
    if (!found) throw new NotFound('verification');
    return this.unsealed(found);
  }

  /**
   * Returns the verification if it still takes codes.
   *
   * @throws NotFound, VerificationClosed
   */
  async getPending(id: VerificationId): Promise<Verification> {
    const found = await this.get(id);
    if (found.status !== 'pending') throw new VerificationClosed(found.status);
    return found;
  }

  /** Returns those of the verifications that exist, in any order. */
  async getAll(ids: readonly VerificationId[]): Promise<Verification[]> {
    return (await this.store.findAll(ids)).map((found) => this.unsealed(found));
  }

  async findOpen(
    purpose: Purpose,
    phoneNumber: PhoneNumber,
    device: string | null,
  ): Promise<Verification | null> {
    const found = await this.store.findOpen(purpose, this.keys.phoneIndexOf(phoneNumber), device);
    return found && this.unsealed(found);
  }

  /**
   * Queues one more message with the same code.
   *
   * @throws CodeRejected when a check released its claim at this moment
   * @throws NotFound, VerificationClosed
   */
  async resend(id: VerificationId, resend: Resend): Promise<Verification> {
    const resent = await this.store.resend(id, resend);
    return resent ? this.unsealed(resent) : this.refuse(id);
  }

  /**
   * Counts one attempt, compares the code, and claims the verification when the code is right.
   *
   * @returns the verification, claimed for this caller alone until `complete` ends the claim.
   * @throws CodeRejected, NotFound, VerificationClosed
   */
  async attempt({ verificationId: id }: AdmittedGuess, code: string): Promise<ClaimedVerification> {
    const attempted = await this.store.attempt(id);
    if (!attempted) return this.refuse(id);
    const verification = this.unsealed(attempted);
    if (!isSameCode(this.codeOf(verification), readCode(code, verification.codeLength)))
      throw new CodeRejected(verification.attemptsLeft);
    if (!(await this.store.claim(id, CLAIM_MS))) return this.refuse(id);
    return verification as ClaimedVerification;
  }

  /** Runs the work that the code was given for, then approves the verification. When the work fails, the code stays valid. */
  async complete<T>({ id }: ClaimedVerification, work: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work();
    } catch (error) {
      // VerificationClosed means that a previous claim produced the session and could not record it.
      const ended = error instanceof VerificationClosed ? this.store.approve(id) : this.store.release(id);
      // If even this fails, the lease expires by itself.
      await ended.catch((failure: Error) => this.logger.warn(`a claim was not ended: ${failure.message}`));
      throw error;
    }
    // The session exists and belongs to the caller, whether or not the store can still record it.
    await this.store
      .approve(id)
      .catch((failure: Error) => this.logger.warn(`not approved: ${failure.message}`));
    return result;
  }

  /**
   * Closes the verification as if all attempts were used, and refuses the guess.
   *
   * @throws CodeRejected, NotFound, VerificationClosed
   */
  async exhaust(id: VerificationId): Promise<never> {
    await this.store.exhaust(id);
    return this.refuse(id);
  }

  /** @throws NotFound, VerificationClosed */
  async cancel(id: VerificationId): Promise<Verification> {
    if (!(await this.store.cancel(id))) return this.refuse(id);
    return this.get(id);
  }

  /** Returns the code to send or to compare with. Do not store it. */
  codeOf(verification: Verification): string {
    const fixed = this.testNumbers.codeOf(verification.phoneNumber);
    if (fixed !== null) return fixed;
    const key = this.keys.codeKey(verification.secretId, verification.id, verification.phoneNumber);
    return deriveCode(key, verification.codeLength);
  }

  /** Returns whether this is a test number: it gets no message, and its code never changes. */
  isTestNumber(phoneNumber: PhoneNumber): boolean {
    return this.testNumbers.codeOf(phoneNumber) !== null;
  }

  /** Writes the delivery's next state. Returns null when the delivery changed after it was read. */
  async changeDelivery({ id, delivery }: Verification, change: DeliveryChange): Promise<Verification | null> {
    const changed = await this.store.changeDelivery(id, delivery.version, change);
    return changed && this.unsealed(changed);
  }

  /** Returns verifications that may fall back because their message was requested longer ago than this and is not sent. */
  overdue(waitMs: number, limit: number): Promise<VerificationId[]> {
    return this.store.overdue(waitMs, limit);
  }

  /** Returns messages that have been queued for longer than this. */
  queuedMessages(olderThanMs: number, limit: number): Promise<QueuedMessage[]> {
    return this.store.queuedMessages(olderThanMs, limit);
  }

  purge(): Promise<void> {
    return this.store.purge();
  }

  private async refuse(id: VerificationId): Promise<never> {
    const { status } = await this.get(id);
    // Pending means that a claim in between was released: another try may succeed.
    throw status === 'pending' ? new CodeRejected() : new VerificationClosed(status);
  }

  private unsealed({ phoneSealed, phoneIndex: _, ...rest }: StoredVerification): Verification {
    return { ...rest, phoneNumber: this.keys.unseal(phoneSealed) as PhoneNumber };
  }
}
