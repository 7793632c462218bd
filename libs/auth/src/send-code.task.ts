import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService, GiveUp, type TaskHandler, TryAgain } from '#background';
import { NotFound } from '#errors';
import {
  type Channel,
  codeMessage,
  MessageSender,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from '#messaging';
import { type Verification, type VerificationId, VerificationService } from '#otp';

const TASK = 'send-code';

/** A task is found missing this long after its message was asked for, and added again. */
const LOST_AFTER_MS = 5_000;
const SWEEP_EVERY_MS = 5_000;
const SWEEP_LIMIT = 200;

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
    private readonly sender: MessageSender,
  ) {}

  onModuleInit(): void {
    this.background.register<SendCode>(TASK, this);
    // The verification is the durable truth. A task that a crash of the queue lost is found by what it left undone.
    this.background.every(SWEEP_EVERY_MS, 'look for lost messages', () => this.enqueueLost());
  }

  /** Durable when it resolves. */
  async enqueue({ id, sends }: Pick<Verification, 'id' | 'sends'>): Promise<void> {
    await this.background.enqueue(TASK, `${id}.${sends}`, { id, send: sends });
  }

  async run(task: SendCode): Promise<void> {
    const { id, send } = task;
    const verification = await this.verifications.get(id).catch(giveUpWhatIsGone);
    if (verification.sends !== send || verification.delivery.status !== 'queued') return;
    const validForSeconds = Math.floor((verification.expiresAt.getTime() - Date.now()) / 1_000);
    if (verification.status !== 'pending' || validForSeconds < 1)
      throw new GiveUp('the code is no longer needed');
    await this.hand(verification, validForSeconds).catch((error) =>
      this.afterFailure(error, task, verification),
    );
    await this.verifications.recordDelivery(id, send, 'sent');
  }

  async gaveUp({ id, send }: SendCode): Promise<void> {
    await this.verifications.recordDelivery(id, send, 'failed');
  }

  private async hand(verification: Verification, validForSeconds: number): Promise<void> {
    const code = this.verifications.codeOf(verification);
    await this.sender.send({
      to: verification.phoneNumber,
      channel: verification.channel as Channel,
      body: codeMessage(code, validForSeconds),
      code,
      validForSeconds,
    });
  }

  private afterFailure(error: Error, task: SendCode, verification: Verification): never {
    if (error instanceof SendRefused) throw new GiveUp(error.message);
    if (error instanceof SendDeferred)
      throw tryAgainWhileAlive(verification, error.message, { afterMs: error.retryAfterMs });
    if (!(error instanceof SendOutcomeUnknown)) throw error;
    const unknown = (task.unknown ?? 0) + 1;
    if (unknown === UNKNOWN_OUTCOMES) throw new GiveUp(error.message);
    throw tryAgainWhileAlive(verification, error.message, { data: { ...task, unknown } });
  }

  private async enqueueLost(): Promise<void> {
    for (const { id, send } of await this.verifications.unsent(LOST_AFTER_MS, SWEEP_LIMIT)) {
      await this.enqueue({ id, sends: send });
    }
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
