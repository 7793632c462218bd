import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService, GiveUp, type TaskEnd, type TaskHandler, TryAgain } from '#background';
import { NotFound } from '#errors';
import {
  CIRCUIT_OPEN,
  type DeliveryReport,
  MessageProviders,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from '#messaging';
import { type Verification, type VerificationId, VerificationService } from '#otp';
import { CodeMessages } from './code-messages.js';
import { DeliveryService, SEND_CODE } from './delivery.service.js';
import { DeliveryEvents } from './delivery-events.js';
import { isOvertaken } from './delivery-state.js';
import { type QueuedMessage, QueuedMessagesRepository } from './queued-messages.repository.js';

/** Requests without an answer per message. After one, the message may be on its way; a third would be noise. */
const MAX_UNKNOWN_OUTCOMES = 2;

/** The data of a task. The queue stores it, with these names, in plain text. */
interface SendCode {
  readonly id: VerificationId;
  /** The number of the message. Only the verification's newest message is sent. */
  readonly send: number;
  /** The number of requests whose outcome is unknown. */
  readonly unknown?: number;
}

/** Sends codes after the request was answered. */
@Injectable()
export class SendCodeTask implements TaskHandler<SendCode>, OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly delivery: DeliveryService,
    private readonly providers: MessageProviders,
    private readonly messages: CodeMessages,
    private readonly queued: QueuedMessagesRepository,
    private readonly events: DeliveryEvents,
  ) {}

  onModuleInit(): void {
    this.background.register<SendCode>(SEND_CODE.name, this);
  }

  async run(task: SendCode, reading?: object): Promise<TaskEnd> {
    const { id, send: messageNumber } = task;
    const message = await this.queued.read(id, reading).catch(giveUpWhenPurged);
    const { verification } = message;
    const { messageCount, delivery, status } = verification;
    if (messageCount !== messageNumber || delivery.status !== 'queued') {
      if (isOvertaken(verification, messageNumber)) await this.refund(task, verification);
      return 'over';
    }
    const validForSeconds = Math.floor(this.verifications.lifeLeftMs(verification) / 1_000);
    if (status === 'expired' || (status === 'pending' && validForSeconds < 1)) {
      await this.refund(task, verification);
      await this.gaveUp(task, 'expired');
      return 'over';
    }
    // The code is no longer needed, which is a failure without a cause.
    const isUnneeded = status !== 'pending';
    const failure = isUnneeded ? undefined : ((await knownFailureOf(message)) ?? undefined);
    if (isUnneeded || failure) {
      await this.refund(task, verification);
      await this.delivery.record(id, { messageNumber, status: 'failed', failure });
      return 'over';
    }
    const report = await this.send(verification, validForSeconds).catch((error) =>
      this.afterFailure(error, task, verification),
    );
    if (!report) return 'over';
    const outcome = { messageNumber, route: verification.route, ...report };
    return (await this.delivery.recordOutcome(verification, outcome)) ? 'removed' : 'over';
  }

  /** Refunds a message that no provider accepted. After a request without an answer, one may have. */
  private async refund({ send: messageNumber, unknown = 0 }: SendCode, verification: Verification) {
    if (unknown === 0) await this.delivery.refund(verification, messageNumber);
  }

  async gaveUp({ id, send: messageNumber }: SendCode, code: string): Promise<void> {
    const failure = { code, reason: 'provider', recovery: 'another_route' } as const;
    await this.delivery.record(id, { messageNumber, status: 'failed', failure });
  }

  private async send(verification: Verification, validForSeconds: number): Promise<DeliveryReport> {
    const { phoneNumber, route } = verification;
    if (this.verifications.isTestNumber(phoneNumber)) {
      this.events.testNumberUsed(verification, 'send');
      return { status: 'sent' };
    }
    // Messages outlive configurations: the provider may be gone.
    const provider = this.providers.named(route.provider) ?? this.providers.defaultFor(route.channel);
    return provider.send(this.messages.compose(verification, validForSeconds));
  }

  /** Resolves when the failure is recorded or the message has fallen back; else throws what makes the task retry or end. */
  private async afterFailure(error: Error, task: SendCode, verification: Verification): Promise<null> {
    const { id, send: messageNumber } = task;
    const { route } = verification;
    const lifeLeftMs = this.verifications.lifeLeftMs(verification);
    if (error instanceof SendRefused) {
      await this.refund(task, verification);
      await this.delivery.record(id, { messageNumber, status: 'failed', failure: error.failure });
      return null;
    }
    if (error instanceof SendDeferred) {
      const hasFallenBack =
        error.reason === CIRCUIT_OPEN && (await this.delivery.fallBack(verification, 'another_provider'));
      if (!hasFallenBack) this.events.deferred(verification, route, error.reason);
      const next = tryAgainBeforeExpiry(lifeLeftMs, error.reason, { afterMs: error.retryAfterMs });
      if (hasFallenBack || next instanceof GiveUp) await this.refund(task, verification);
      if (hasFallenBack) return null;
      throw next;
    }
    if (!(error instanceof SendOutcomeUnknown)) throw error;
    this.events.deferred(verification, route, error.reason);
    const unknown = (task.unknown ?? 0) + 1;
    if (unknown === MAX_UNKNOWN_OUTCOMES) throw new GiveUp(error.reason);
    throw tryAgainBeforeExpiry(lifeLeftMs, error.reason, { data: { ...task, unknown } });
  }
}

/** Known devices ignore bad numbers, because unknown devices can cause them. */
async function knownFailureOf({ verification, knownFailure }: QueuedMessage) {
  return verification.device === null ? knownFailure() : null;
}

/** Gives up at once when the wait that the provider asked for outlasts the code. */
function tryAgainBeforeExpiry(
  lifeLeftMs: number,
  reason: string,
  next: { afterMs?: number; data?: SendCode },
): Error {
  const isTooLate = (next.afterMs ?? 0) >= lifeLeftMs;
  return isTooLate ? new GiveUp(reason) : new TryAgain(reason, next);
}

/** A store that lost its data has no code to send. */
function giveUpWhenPurged(error: unknown): never {
  throw error instanceof NotFound ? new GiveUp('the verification is gone') : error;
}
