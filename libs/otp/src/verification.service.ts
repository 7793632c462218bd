import { Injectable, Logger } from '@nestjs/common';
import type { Route } from '#config';
import { CodeRejected, NotFound, Unavailable, VerificationClosed } from '#errors';
import { Keys } from '#keys';
import { addToLog } from '#logging';
import type { PhoneNumber } from '#phone';
import {
  type AdmittedGuess,
  attemptsLeft,
  type ClaimedVerification,
  type ProvenVerification,
} from './attempts.js';
import { deriveCode, isSameCode, readCode } from './code.js';
import type { DeliveryChange } from './delivery.js';
import { TestNumbers } from './test-numbers.js';
import {
  afterChange,
  newVerificationId,
  type Purpose,
  referenceOf,
  type Verification,
  type VerificationId,
} from './verification.js';
import { type VerificationRow, verificationOf } from './verification-columns.js';
import {
  type CountedAttempt,
  MAX_FOUND_BY_NUMBER,
  type NewClient,
  type QueuedMessage,
  type Resend,
  type StoredVerification,
  VerificationStore,
} from './verification-store.js';

/** Longer than writing a user and a token takes, and shorter than a client waits. */
const CLAIM_MS = 10_000;
const TRIES = 10;

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
  /** The abuse policy's charge of the message. */
  readonly charge?: string | null;
  /** The session that a change of number is bound to. */
  readonly sessionId?: string | null;
  /** The client of the API that `verify` is bound to. */
  readonly apiClient?: string | null;
  readonly name?: string | null;
  readonly locale?: string | null;
  /** The hash of the Android app that reads the SMS. */
  readonly appHash?: string | null;
  /** The client that requests it, if several clients can. */
  readonly client?: NewClient | null;
}

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

  /** True if a message that is queued has its task already. */
  get addsTasks(): boolean {
    return this.store.addsTasks;
  }

  /** True if the statement that creates a session has to approve its verification: see `approveBy`. */
  get joinsSessions(): boolean {
    return this.store.joinsSessions;
  }

  /** @param resendAfterMs the wait before the client may request the next message. */
  async open(request: VerificationRequest, resendAfterMs: number): Promise<Verification> {
    const { purpose, phoneNumber, route, hasFallback, codeLength, device, ticket } = request;
    const { name = null, locale = null, appHash = null, charge = null, client = null } = request;
    const opened = await this.store.open({
      purpose,
      route,
      hasFallback,
      device,
      ticket,
      charge,
      name,
      locale,
      appHash,
      client,
      sessionId: request.sessionId ?? null,
      apiClient: request.apiClient ?? null,
      id: newVerificationId(),
      phoneIndex: this.keys.phoneIndexOf(phoneNumber),
      phoneSealed: this.keys.seal(phoneNumber),
      codeLength: this.testNumbers.codeOf(phoneNumber)?.length ?? codeLength,
      secretId: this.keys.secretId,
      maxAttempts: this.policy.maxAttempts,
      ttlMs: this.policy.ttlMs,
      resendAfterMs,
    });
    return this.named(opened, phoneNumber);
  }

  /**
   * Resolves if verifications can be stored now.
   *
   * @throws Unavailable
   */
  ready(): Promise<void> {
    return this.store.ready();
  }

  /** @throws NotFound */
  async get(id: VerificationId): Promise<Verification> {
    const found = await this.store.find(id);
    if (!found) throw new NotFound('verification');
    return this.named(found);
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

  /** Reads a row of `VERIFICATION_COLUMNS`. */
  fromRow(row: VerificationRow): Verification {
    return this.named(verificationOf(row));
  }

  /** Returns those of the verifications that exist, in any order. */
  async getAll(ids: readonly VerificationId[]): Promise<Verification[]> {
    return (await this.store.findAll(ids)).map((found) => this.unsealed(found));
  }

  /**
   * Deletes the verifications of the number. Their codes and messages in the queue are void.
   *
   * @throws Unavailable
   */
  deleteByNumber(phoneNumber: PhoneNumber): Promise<void> {
    return this.store.deleteByNumber(this.keys.phoneIndexOf(phoneNumber));
  }

  /** Returns the verifications that still take codes, newest first. */
  async findOpen(purpose: Purpose, phoneNumber: PhoneNumber, device: string | null): Promise<Verification[]> {
    const found = await this.store.findOpen(purpose, this.keys.phoneIndexOf(phoneNumber), device);
    return found.map((each) => this.unsealed(each));
  }

  /** Returns the newest verifications of the number that are kept, of every status, newest first. */
  async findByNumber(phoneNumber: PhoneNumber): Promise<Verification[]> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const found = await this.store.findByNumber(phoneIndex, MAX_FOUND_BY_NUMBER);
    return found.map((each) => this.unsealed(each));
  }

  /**
   * Queues one more message with the same code.
   *
   * @throws NotFound, Unavailable, VerificationClosed
   */
  async resend(id: VerificationId, resend: Resend): Promise<Verification> {
    return this.named(await this.whilePending(id, () => this.store.resend(id, resend)));
  }

  /**
   * Counts one attempt, then compares the code. A right code is used up by `approveBy`, or by `claim` and `complete`.
   *
   * @param isUsable false: a right code is rejected as a wrong one.
   * @throws CodeRejected, NotFound, Unavailable, VerificationClosed
   */
  async attempt(
    { verification: before, attempts: by }: AdmittedGuess,
    code: string,
    isUsable = true,
  ): Promise<ProvenVerification> {
    const { id } = before;
    const isUsedUp = (found: Verification) => by !== null && attemptsLeft(found, by) <= 0;
    const attempt = await this.whilePending(id, () => this.store.attempt(id, by), isUsedUp);
    addToLog({ verification: referenceOf(id), number_hash: before.phoneIndex });
    const isRight = isSameCode(this.codeOf(before), readCode(code, before.codeLength));
    if (!isRight || !isUsable) throw new CodeRejected(by ? attemptsLeft(attempt, by) : attempt.attemptsLeft);
    return this.afterAttempt({ provenBy: by, ...before }, attempt);
  }

  /**
   * Approves the verification by a statement that also does the work that the code was given for. When it fails, the code
   * stays valid.
   *
   * @param approve returns null if the verification cannot be approved now.
   * @throws NotFound, Unavailable, VerificationClosed
   */
  async approveBy<T>(proven: ProvenVerification, approve: () => Promise<T | null>): Promise<T> {
    try {
      return await this.whilePending(proven.id, approve);
    } catch (error) {
      if (!(error instanceof VerificationClosed)) await this.restoreAttempt(proven);
      throw error;
    }
  }

  /**
   * Claims the verification for this caller alone until `complete` ends the claim, and restores the attempt.
   *
   * @throws NotFound, Unavailable, VerificationClosed
   */
  async claim(proven: ProvenVerification): Promise<ClaimedVerification> {
    const { id, provenBy } = proven;
    await this.whilePending(id, async () => (await this.store.claim(id, CLAIM_MS, provenBy)) || null);
    return proven as Verification as ClaimedVerification;
  }

  /** Runs the work that the code was given for, then approves the verification. When the work fails, the code stays valid. */
  async complete<T>({ id }: ClaimedVerification, work: () => Promise<T>): Promise<T> {
    const result = await this.releasingOnFailure(id, work);
    // The session exists and belongs to the caller, whether or not the store can still record it.
    await this.store
      .approve(id)
      .catch((failure: Error) => this.logger.warn(`not approved: ${failure.message}`));
    return result;
  }

  /**
   * As `complete`, for work that does not itself refuse to be done twice: its result is returned only if the approval is
   * recorded.
   *
   * @throws Unavailable
   */
  async completeOnce<T>({ id }: ClaimedVerification, work: () => Promise<T>): Promise<T> {
    const result = await this.releasingOnFailure(id, work);
    await this.store.approve(id);
    return result;
  }

  private async releasingOnFailure<T>(id: VerificationId, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // VerificationClosed means that a previous claim produced the session and could not record it.
      const ended = error instanceof VerificationClosed ? this.store.approve(id) : this.store.release(id);
      // If even this fails, the lease expires by itself.
      await ended.catch((failure: Error) => this.logger.warn(`a claim was not ended: ${failure.message}`));
      throw error;
    }
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

  /** @throws NotFound, Unavailable, VerificationClosed */
  async cancel(id: VerificationId): Promise<Verification> {
    await this.whilePending(id, async () => (await this.store.cancel(id)) || null);
    return this.get(id);
  }

  /** Returns the code to send or to compare with. Do not store it. */
  codeOf(verification: Verification): string {
    const fixed = this.testNumbers.codeOf(verification.phoneNumber);
    if (fixed !== null) return fixed;
    const key = this.keys.codeKey(verification.secretId, verification.id, verification.phoneNumber);
    return deriveCode(key, verification.codeLength);
  }

  /** Returns how long the code was still valid when the verification was read: never longer than a code lives. */
  lifeLeftMs({ expiresAt, readAt }: Pick<Verification, 'expiresAt' | 'readAt'>): number {
    return Math.min(expiresAt.getTime() - readAt.getTime(), this.policy.ttlMs);
  }

  /** Returns whether this is a test number: it gets no message, and its code never changes. */
  isTestNumber(phoneNumber: PhoneNumber): boolean {
    return this.testNumbers.codeOf(phoneNumber) !== null;
  }

  /**
   * Writes the delivery's next state. Returns null when the delivery changed after it was read.
   *
   * @param before as it was read.
   * @param sentMessage the message whose task has sent it, if the change is its outcome: see `VerificationStore`.
   */
  async changeDelivery(
    before: Verification,
    change: DeliveryChange,
    sentMessage: number | null = null,
  ): Promise<Verification | null> {
    const { id, delivery } = before;
    const at = await this.store.changeDelivery(id, delivery.version, change, sentMessage);
    return at && afterChange(before, change, at);
  }

  /** Returns verifications that may fall back because their message was requested longer ago than this and is not sent. */
  overdue(waitMs: number, limit: number): Promise<VerificationId[]> {
    return this.store.overdue(waitMs, limit);
  }

  /**
   * Returns messages that have been queued for longer than this, oldest first.
   *
   * @param offset how many of them to skip.
   */
  queuedMessages(olderThanMs: number, limit: number, offset: number): Promise<QueuedMessage[]> {
    return this.store.queuedMessages(olderThanMs, limit, offset);
  }

  purge(): Promise<void> {
    return this.store.purge();
  }

  /**
   * Makes a change of an open verification. Repeats it when the verification was claimed at that moment and the claim was
   * released since, so that its state is no reason to refuse.
   *
   * @param isUsedUp true if the client has no attempts left, although the verification is open.
   * @throws CodeRejected, NotFound, Unavailable, VerificationClosed
   */
  private async whilePending<T>(
    id: VerificationId,
    change: () => Promise<T | null>,
    isUsedUp: (found: Verification) => boolean = () => false,
  ): Promise<T> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const changed = await change();
      if (changed !== null) return changed;
      const found = await this.getPending(id);
      if (isUsedUp(found)) throw new CodeRejected(0);
    }
    throw new Unavailable('verifications');
  }

  /** Returns the verification after the attempt. Reads it again if it has messages or reports that were not read before. */
  private async afterAttempt(
    before: ProvenVerification,
    { version, attemptsBy, ...changed }: CountedAttempt,
  ): Promise<ProvenVerification> {
    const proven = { ...before, ...changed, attemptsBy: { ...before.attemptsBy, ...attemptsBy } };
    if (version === before.delivery.version) return proven;
    try {
      return { ...proven, ...(await this.get(before.id)) };
    } catch (failure) {
      await this.restoreAttempt(proven);
      throw failure;
    }
  }

  /** A right code must not use up attempts by failing, however often. */
  private async restoreAttempt({ id, provenBy }: ProvenVerification): Promise<void> {
    try {
      if (await this.store.claim(id, CLAIM_MS, provenBy)) await this.store.release(id);
    } catch (failure) {
      this.logger.warn(`an attempt was not restored: ${(failure as Error).message}`);
    }
  }

  private async refuse(id: VerificationId): Promise<never> {
    const { status } = await this.get(id);
    // Pending means that a claim, which the verification could not be closed under, was released.
    throw status === 'pending' ? new CodeRejected() : new VerificationClosed(status);
  }

  /** Names the verification in the lines that the current request or task logs from now on. */
  private named(found: StoredVerification, phoneNumber?: PhoneNumber): Verification {
    addToLog({ verification: referenceOf(found.id), number_hash: found.phoneIndex });
    return this.unsealed(found, phoneNumber);
  }

  /** @param phoneNumber its number, if the caller knows it. */
  private unsealed(
    stored: StoredVerification,
    phoneNumber = this.keys.unseal(stored.phoneSealed) as PhoneNumber,
  ): Verification {
    return { phoneNumber, ...stored };
  }
}
