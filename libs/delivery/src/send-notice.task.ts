import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { BackgroundService, type TaskEnd, type TaskHandler, TryAgain } from '#background';
import { Unavailable } from '#errors';
import { MessageProviders, SendDeferred, SendOutcomeUnknown, SendRefused } from '#messaging';
import type { PhoneNumber } from '#phone';
import { DeliveryEvents } from './delivery-events.js';
import { NoticeMessages } from './notice-messages.js';
import { NoticesRepository } from './notices.repository.js';

const SEND_NOTICE = 'send-notice';

/** With the longest wait between tries these last for 13 minutes. The check for lost notices adds the task again. */
const MOST_TRIES = 100;

/** A notice that arrives later would confuse more than it helps. */
const TOO_OLD_MS = 24 * 3_600_000;

/** Requests without an answer for each notice, as for a code: it may have been sent each time. */
const MAX_UNKNOWN_OUTCOMES = 2;

/** The wait after the provider refused its account or its configuration, which an operator corrects. */
const AFTER_PROVIDER_FAULT_MS = 5 * 60_000;

const LOST_AFTER_MS = 60_000;
const CHECK_LOST_EVERY_MS = 10_000;
const BATCH = 100;

/** The data of a task. The queue stores it in plain text. */
interface SendNotice {
  readonly id: string;
  /** The number of requests whose outcome is unknown. */
  readonly unknown?: number;
}

/** Sends notices after the request was answered: at least once, unless they are refused. */
@Injectable()
export class SendNoticeTask implements TaskHandler<SendNotice>, OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly notices: NoticesRepository,
    private readonly messages: NoticeMessages,
    private readonly providers: MessageProviders,
    private readonly sendPolicy: SendPolicyService,
    private readonly events: DeliveryEvents,
  ) {}

  onModuleInit(): void {
    this.background.register<SendNotice>(SEND_NOTICE, this);
    this.background.every(CHECK_LOST_EVERY_MS, 'check for lost notices', () => this.startLost());
  }

  /** Adds the task of a stored notice. If the queue does not answer, the check for lost notices adds it later. */
  async start(id: string): Promise<void> {
    await this.enqueue(id).catch((error) => {
      if (!(error instanceof Unavailable)) throw error;
    });
  }

  async run({ id, unknown = 0 }: SendNotice): Promise<TaskEnd> {
    const notice = await this.notices.find(id);
    if (!notice) return 'over';
    const { phoneNumber, ageMs } = notice;
    const route = this.messages.routeTo(phoneNumber);
    if (!route) return this.end(id, phoneNumber, 'no_route');
    if (ageMs > TOO_OLD_MS) return this.end(id, phoneNumber, 'expired');
    const charge = await this.sendPolicy.chargeNotice(phoneNumber, route);
    if (charge === null) return this.end(id, phoneNumber, 'country_not_allowed');
    const provider = this.providers.defaultFor(route.channel);
    try {
      const { providerId, status } = await provider.send(this.messages.compose(notice, route.channel));
      provider.recordStep(providerId, { status, reason: null, at: new Date() });
    } catch (error) {
      if (error instanceof SendOutcomeUnknown) {
        if (unknown + 1 === MAX_UNKNOWN_OUTCOMES) return this.end(id, phoneNumber, error.reason);
        throw new TryAgain(error.reason, { data: { id, unknown: unknown + 1 } });
      }
      await this.sendPolicy.refund(charge);
      if (error instanceof SendDeferred) throw new TryAgain(error.reason, { afterMs: error.retryAfterMs });
      if (!(error instanceof SendRefused)) throw error;
      const { code, reason } = error.failure;
      if (reason !== 'provider') return this.end(id, phoneNumber, code);
      throw new TryAgain(code, { afterMs: AFTER_PROVIDER_FAULT_MS });
    }
    return this.end(id, phoneNumber, null);
  }

  /** Keeps the notice: the check for lost notices adds its task again, until it is too old. */
  async gaveUp(): Promise<void> {}

  /** @param failure a short word for the reason why it was not sent; null: it was sent. */
  private async end(id: string, phoneNumber: PhoneNumber, failure: string | null): Promise<TaskEnd> {
    await this.notices.delete(id);
    this.events.noticeEnded(phoneNumber, failure);
    return 'over';
  }

  private enqueue(id: string): Promise<void> {
    return this.background.enqueue(SEND_NOTICE, `notice.${id}`, { id }, MOST_TRIES);
  }

  private async startLost(): Promise<void> {
    for (const id of await this.notices.waiting(LOST_AFTER_MS, BATCH)) await this.enqueue(id);
  }
}
