import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Sends } from '#abuse';
import { BackgroundService, GiveUp, type TaskHandler, TryAgain } from '#background';
import { NotFound } from '#errors';
import {
  BadNumbers,
  CIRCUIT_OPEN,
  type Failure,
  MessageEvents,
  type Receipt,
  SendDeferred,
  Senders,
  SendOutcomeUnknown,
  SendRefused,
  Templates,
} from '#messaging';
import { TestNumbers, type Verification, type VerificationId, VerificationService } from '#otp';
import { Deliveries, SEND_CODE, wayOf } from './deliveries.service.js';

/** When a message may be on its way already, one more is risked; a third would be noise. */
const UNKNOWN_OUTCOMES = 2;

interface SendCode {
  readonly id: VerificationId;
  /** Which of the verification's messages; an older one is not sent any more. */
  readonly send: number;
  /** How often the provider was asked and did not answer. */
  readonly unknown?: number;
}

/** Sends codes after the request was answered. A task holds nothing but a verification's id; the code is derived here. */
@Injectable()
export class SendCodeTask implements TaskHandler<SendCode>, OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly deliveries: Deliveries,
    private readonly senders: Senders,
    private readonly templates: Templates,
    private readonly badNumbers: BadNumbers,
    private readonly testNumbers: TestNumbers,
    private readonly sends: Sends,
    private readonly events: MessageEvents,
  ) {}

  onModuleInit(): void {
    this.background.register<SendCode>(SEND_CODE, this);
  }

  async run(task: SendCode): Promise<void> {
    const { id, send } = task;
    const verification = await this.verifications.get(id).catch(giveUpWhatIsGone);
    if (verification.sends !== send || verification.delivery.status !== 'queued') return;
    const validForSeconds = Math.floor((verification.expiresAt.getTime() - Date.now()) / 1_000);
    const { status } = verification;
    if (status === 'expired' || (status === 'pending' && validForSeconds < 1)) {
      return this.gaveUp(task, 'expired');
    }
    // The code is no longer needed: this is nobody's failure.
    if (status !== 'pending') return this.deliveries.heard(id, { send, status: 'failed' });
    const known = await this.knownFailureOf(verification);
    if (known) {
      await this.deliveries.heard(id, { send, status: 'failed', failure: known });
      return this.sends.unspent(verification.phoneNumber);
    }
    const receipt = await this.hand(verification, validForSeconds).catch((error) =>
      this.afterFailure(error, task, verification),
    );
    if (receipt) await this.deliveries.heard(id, { send, ...receipt });
  }

  async gaveUp({ id, send }: SendCode, reason: string): Promise<void> {
    const failure = { code: reason, reason: 'provider', cure: 'another_route' } as const;
    await this.deliveries.heard(id, { send, status: 'failed', failure });
  }

  /** What strangers' messages came to is not held against a known device. */
  private async knownFailureOf(verification: Verification): Promise<Failure | null> {
    if (verification.device !== null) return null;
    return this.badNumbers.failureOf(verification.phoneNumber, wayOf(verification));
  }

  private async hand(
    verification: Verification,
    validForSeconds: number,
  ): Promise<Pick<Receipt, 'status'> & Partial<Receipt>> {
    const { phoneNumber: to } = verification;
    if (this.testNumbers.codeOf(to) !== null) {
      this.events.testNumberUsed('send');
      return { status: 'sent' };
    }
    const way = wayOf(verification);
    const { channel } = way;
    // Messages outlive configurations.
    const sender = this.senders.named(way.sender) ?? this.senders.usual(channel);
    const code = this.verifications.codeOf(verification);
    const locale = verification.locale ?? 'en';
    return sender.send({
      to,
      channel,
      body: this.templates.compose({ channel, locale, code, validForSeconds }),
      code,
      locale,
      validForSeconds,
      reference: this.deliveries.referenceOf(verification),
    });
  }

  /** Resolves when somebody else takes care of the message now. */
  private async afterFailure(error: Error, task: SendCode, verification: Verification): Promise<null> {
    const { id, send } = task;
    const { sender } = wayOf(verification);
    if (error instanceof SendRefused) {
      await this.deliveries.heard(id, { send, status: 'failed', failure: error.failure });
      return null;
    }
    if (error instanceof SendDeferred) {
      const isElsewhere =
        error.reason === CIRCUIT_OPEN && (await this.deliveries.fallBack(verification, 'another_sender'));
      if (isElsewhere) return null;
      this.events.deferred(sender, error.reason);
      throw tryAgainWhileAlive(verification, error.reason, { afterMs: error.retryAfterMs });
    }
    if (!(error instanceof SendOutcomeUnknown)) throw error;
    this.events.deferred(sender, error.reason);
    const unknown = (task.unknown ?? 0) + 1;
    if (unknown === UNKNOWN_OUTCOMES) throw new GiveUp(error.reason);
    throw tryAgainWhileAlive(verification, error.reason, { data: { ...task, unknown } });
  }
}

/** A wait that outlasts the code is no wait. */
function tryAgainWhileAlive(
  { expiresAt }: Verification,
  reason: string,
  later: { afterMs?: number; data?: SendCode },
): Error {
  const isTooLate = Date.now() + (later.afterMs ?? 0) >= expiresAt.getTime();
  return isTooLate ? new GiveUp(reason) : new TryAgain(reason, later);
}

/** A store that lost its data has no code to send. */
function giveUpWhatIsGone(error: unknown): never {
  throw error instanceof NotFound ? new GiveUp('the verification is gone') : error;
}
