import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService } from '#background';
import { inOwnLogContext } from '#logging';
import { MessageProviders } from '#messaging';
import { VerificationService } from '#otp';
import { DeliveryService } from './delivery.service.js';
import { DeliveryOptions } from './route-choice.js';

/** A message that is still queued after this time has lost its task. */
const LOST_AFTER_MS = 5_000;
const CHECK_LOST_EVERY_MS = 5_000;
const CHECK_OVERDUE_EVERY_MS = 1_000;
const BATCH = 200;

/** Deferred messages are queued too and cannot be told from lost ones, so one check bounds how many it adds again. */
const BATCHES_PER_CHECK = 5;

/**
 * Does what no request triggers: records reports that a provider creates in this process, restarts messages whose task
 * was lost, and falls back when no report came in time.
 */
@Injectable()
export class DeliveryChecks implements OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly providers: MessageProviders,
    private readonly verifications: VerificationService,
    private readonly delivery: DeliveryService,
    private readonly options: DeliveryOptions,
  ) {}

  /** The number of queued messages that the current pass has seen. */
  private seen = 0;

  onModuleInit(): void {
    for (const provider of this.providers.all) {
      provider.onReport((reference, report) =>
        this.background.run('delivery report', () =>
          inOwnLogContext(() => this.delivery.report(reference, report)),
        ),
      );
    }
    // The verification is the durable record: a queue that crashed may have lost the task of a queued message.
    this.background.every(CHECK_LOST_EVERY_MS, 'check for lost messages', () => this.startLost());
    const { fallback } = this.options;
    if (!fallback) return;
    this.background.every(CHECK_OVERDUE_EVERY_MS, 'check for overdue messages', () =>
      this.fallBackOverdue(fallback.waitMs),
    );
  }

  /** Goes on where the previous check stopped, so that no number of deferred messages hides a lost one. */
  private async startLost(): Promise<void> {
    for (let batch = 0; batch < BATCHES_PER_CHECK; batch += 1) {
      const messages = await this.verifications.queuedMessages(LOST_AFTER_MS, BATCH, this.seen);
      for (const { id, messageNumber } of messages)
        await this.delivery.addTask({ id, messageCount: messageNumber });
      this.seen = messages.length < BATCH ? 0 : this.seen + BATCH;
      if (this.seen === 0) return;
    }
  }

  private async fallBackOverdue(waitMs: number): Promise<void> {
    const overdue = await this.verifications.overdue(waitMs, BATCH);
    const fallbacks = overdue.map((id) =>
      inOwnLogContext(() => this.delivery.fallBackAfter(id, waitMs, 'another_route')),
    );
    // Waits for all of them even when one fails, because a shutdown waits for this check.
    const failed = (await Promise.allSettled(fallbacks)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }
}
