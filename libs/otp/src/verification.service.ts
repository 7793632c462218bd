import { Injectable, Logger } from '@nestjs/common';
import { CodeRejected, NotFound, VerificationClosed } from '#errors';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { deriveCode, isSameCode, readCode } from './code.js';
import {
  afterRemedy,
  afterReport,
  type DeliveryChange,
  type DeliveryReport,
  isFailure,
  isNews,
  isOverdue,
  type Remedy,
  withoutFallback,
} from './delivery.js';
import { TestNumbers } from './test-numbers.js';
import { newVerificationId, type Purpose, type Verification, type VerificationId } from './verification.js';
import {
  type Resend,
  type StoredVerification,
  type Unsent,
  VerificationStore,
} from './verification-store.js';

/** Longer than it takes to write a user and a token, shorter than a person's patience. */
const CLAIM_MS = 10_000;

export abstract class OtpPolicy {
  /** How long a code can be typed in, in milliseconds. */
  abstract readonly ttlMs: number;
  abstract readonly maxAttempts: number;
}

/** What a verification is opened for. */
export interface VerificationRequest {
  readonly purpose: Purpose;
  readonly phoneNumber: PhoneNumber;
  readonly channel: string;
  /** Who carries the message. */
  readonly sender: string;
  /** Whether another way may be taken when it does not arrive. */
  readonly hasFallback: boolean;
  readonly codeLength: number;
  /** The known device that asks; null for a stranger. */
  readonly device: string | null;
  /** The message's, to be found on the verification again. */
  readonly ticket: string | null;
  readonly name?: string | null;
  readonly locale?: string | null;
}

/** A verification before its delivery changed, and since. */
export interface Change {
  readonly before: Verification;
  readonly after: Verification;
}

/** Proofs that somebody holds a phone number. Codes are derived whenever one is needed and kept nowhere. */
@Injectable()
export class VerificationService {
  private readonly logger = new Logger('Verification');

  constructor(
    private readonly store: VerificationStore,
    private readonly keys: Keys,
    private readonly policy: OtpPolicy,
    private readonly testNumbers: TestNumbers,
  ) {}

  /** @param resendAfterMs how long until the next message may be asked for. */
  async open(request: VerificationRequest, resendAfterMs: number): Promise<Verification> {
    const opened = await this.store.open({
      id: newVerificationId(),
      purpose: request.purpose,
      phoneIndex: this.keys.indexOf(request.phoneNumber),
      phoneSealed: this.keys.seal(request.phoneNumber),
      name: request.name ?? null,
      locale: request.locale ?? null,
      channel: request.channel,
      sender: request.sender,
      hasFallback: request.hasFallback,
      device: request.device,
      ticket: request.ticket,
      codeLength: this.testNumbers.codeOf(request.phoneNumber)?.length ?? request.codeLength,
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

  async findOpen(
    purpose: Purpose,
    phoneNumber: PhoneNumber,
    device: string | null,
  ): Promise<Verification | null> {
    const found = await this.store.findOpen(purpose, this.keys.indexOf(phoneNumber), device);
    return found && this.unsealed(found);
  }

  /**
   * Asks for one more message with the same code.
   *
   * @throws NotFound, VerificationClosed
   */
  async resend(id: VerificationId, resend: Resend): Promise<Verification> {
    const resent = await this.store.resend(id, resend);
    return resent ? this.unsealed(resent) : this.refuse(id);
  }

  /**
   * Trades the right code for what `settle` makes of it, once. When `settle` fails the code is as good as before.
   *
   * @param admitGuess is asked before anything is compared; on false the verification takes no more codes.
   * @throws CodeRejected, NotFound, VerificationClosed
   */
  async check<T>(
    id: VerificationId,
    code: string,
    settle: (verification: Verification) => Promise<T>,
    admitGuess: (verification: Verification) => Promise<boolean> = async () => true,
  ): Promise<T> {
    // Read first: what is asked of a store that hangs is done when it wakes up, long after the caller was told to
    // come back. A read that hangs ends here, and no attempt is left behind for that moment.
    const found = await this.get(id);
    if (found.status !== 'pending') throw new VerificationClosed(found.status);
    if (!(await admitGuess(found))) {
      await this.store.exhaust(id);
      return this.refuse(id);
    }
    const attempted = await this.store.attempt(id);
    if (!attempted) return this.refuse(id);
    const verification = this.unsealed(attempted);
    if (!isSameCode(this.codeOf(verification), readCode(code, verification.codeLength)))
      throw new CodeRejected(verification.attemptsLeft);
    if (!(await this.store.claim(id, CLAIM_MS))) return this.refuse(id);
    return this.settled(verification, settle);
  }

  /** @throws NotFound, VerificationClosed */
  async cancel(id: VerificationId): Promise<Verification> {
    if (!(await this.store.cancel(id))) return this.refuse(id);
    return this.get(id);
  }

  /** The code to send or to compare with; not to be kept. */
  codeOf(verification: Verification): string {
    const fixed = this.testNumbers.codeOf(verification.phoneNumber);
    if (fixed !== null) return fixed;
    const key = this.keys.codeKey(verification.secretId, verification.id, verification.phoneNumber);
    return deriveCode(key, verification.codeLength);
  }

  /**
   * Takes down what is heard of a message.
   *
   * @param remedyOf is asked what to do about a message that did not arrive.
   * @returns null when the report says nothing new.
   */
  async report(
    id: VerificationId,
    report: DeliveryReport,
    remedyOf: (verification: Verification) => Promise<Remedy | null>,
  ): Promise<Change | null> {
    return this.changeDelivery(id, async (verification) => {
      const needsRemedy =
        isNews(verification, report) && isFailure(report) && report.send === verification.sends;
      return afterReport(verification, report, needsRemedy ? await remedyOf(verification) : null);
    });
  }

  /**
   * Takes another way when it was not heard in time that the message is out.
   *
   * @returns null when none is taken.
   */
  async fallBack(
    id: VerificationId,
    waitMs: number,
    remedyOf: (verification: Verification) => Promise<Remedy | null>,
  ): Promise<Change | null> {
    const changed = await this.changeDelivery(id, async (verification) => {
      if (!isOverdue(verification.delivery, waitMs, Date.now())) return null;
      const remedy = await remedyOf(verification);
      return remedy ? afterRemedy(verification, remedy) : withoutFallback(verification);
    });
    return changed && changed.after.sends > changed.before.sends ? changed : null;
  }

  /** Those whose message was asked for longer ago than this, is not known to be out, and may take another way. */
  overdue(waitMs: number, limit: number): Promise<VerificationId[]> {
    return this.store.overdue(waitMs, limit);
  }

  /** Those of these that there are, in no order. */
  async getAll(ids: readonly VerificationId[]): Promise<Verification[]> {
    return (await this.store.findAll(ids)).map((found) => this.unsealed(found));
  }

  /** Messages that have been queued for longer than this. */
  unsent(olderThanMs: number, limit: number): Promise<Unsent[]> {
    return this.store.unsent(olderThanMs, limit);
  }

  purge(): Promise<void> {
    return this.store.purge();
  }

  /** Decides upon what is there, and anew when it was another by the time it is written. */
  private async changeDelivery(
    id: VerificationId,
    decide: (verification: Verification) => Promise<DeliveryChange | null>,
  ): Promise<Change | null> {
    for (;;) {
      const before = await this.get(id);
      const change = await decide(before);
      if (!change) return null;
      const after = await this.store.changeDelivery(id, before.delivery.version, change);
      if (after) return { before, after: this.unsealed(after) };
    }
  }

  private async settled<T>(verification: Verification, settle: (v: Verification) => Promise<T>): Promise<T> {
    const { id } = verification;
    let result: T;
    try {
      result = await settle(verification);
    } catch (error) {
      // Closed means that an earlier claim bore fruit and could not say so.
      const ended = error instanceof VerificationClosed ? this.store.approve(id) : this.store.release(id);
      // If even this fails the lease runs out by itself.
      await ended.catch((failure: Error) => this.logger.warn(`a claim was not ended: ${failure.message}`));
      throw error;
    }
    // The session exists and is the caller's, whether or not the store can still write it down.
    await this.store
      .approve(id)
      .catch((failure: Error) => this.logger.warn(`not approved: ${failure.message}`));
    return result;
  }

  private async refuse(id: VerificationId): Promise<never> {
    const { status } = await this.get(id);
    // Pending means that a claim in between was released: another try may well succeed.
    throw status === 'pending' ? new CodeRejected() : new VerificationClosed(status);
  }

  private unsealed({ phoneSealed, phoneIndex: _, ...rest }: StoredVerification): Verification {
    return { ...rest, phoneNumber: this.keys.unseal(phoneSealed) as PhoneNumber };
  }
}
