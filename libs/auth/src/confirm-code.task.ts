import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService, GiveUp, type TaskHandler, TryAgain } from '#background';
import type { SenderName } from '#config';
import { SendDeferred, Senders, SendRefused } from '#messaging';
import type { Verification } from '#otp';

const TASK = 'confirm-code';

interface ConfirmCode {
  readonly sender: SenderName;
  readonly providerId: string;
}

/** Tells providers that want to know it which messages were answered. Nobody waits for it, and nothing hangs on it. */
@Injectable()
export class ConfirmCodeTask implements TaskHandler<ConfirmCode>, OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly senders: Senders,
  ) {}

  onModuleInit(): void {
    this.background.register<ConfirmCode>(TASK, this);
  }

  start({ channel, delivery: { sender, providerId } }: Verification): void {
    // Providers learn the quality of their routes to carriers by it, which other channels do not take.
    if (
      channel !== 'sms' ||
      providerId === null ||
      !this.senders.named(sender as SenderName)?.wantsConfirmation
    )
      return;
    this.background.run('confirm a code', () =>
      this.background.enqueue(TASK, `confirm.${providerId}`, { sender, providerId }),
    );
  }

  async run({ sender, providerId }: ConfirmCode): Promise<void> {
    await this.senders
      .named(sender)
      ?.confirm(providerId)
      .catch((error: Error) => {
        if (error instanceof SendRefused) throw new GiveUp(error.message);
        throw new TryAgain(error.message, {
          afterMs: error instanceof SendDeferred ? error.retryAfterMs : 0,
        });
      });
  }

  /** Nobody misses it. */
  async gaveUp(): Promise<void> {}
}
