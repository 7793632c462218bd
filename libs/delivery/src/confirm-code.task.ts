import { Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService, GiveUp, type TaskEnd, type TaskHandler, TryAgain } from '#background';
import type { ProviderName } from '#config';
import { MessageProviders, SendDeferred, SendRefused } from '#messaging';
import { type Verification, VerificationService } from '#otp';
import { DeliveryEvents } from './delivery-events.js';

const CONFIRM_CODE = 'confirm-code';

/** The data of a task. Its names are stored in the queue. */
interface ConfirmCode {
  readonly sender: ProviderName;
  readonly providerId: string;
}

/** Tells providers that want to know it which messages led to a sign-in. The sign-in does not wait for it. */
@Injectable()
export class ConfirmCodeTask implements TaskHandler<ConfirmCode>, OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly providers: MessageProviders,
    private readonly events: DeliveryEvents,
  ) {}

  onModuleInit(): void {
    this.background.register<ConfirmCode>(CONFIRM_CODE, this);
  }

  start(verification: Verification): void {
    const { phoneNumber, route, delivery } = verification;
    const { providerId } = delivery;
    if (this.verifications.isTestNumber(phoneNumber)) this.events.testNumberUsed(verification, 'check');
    // Providers rate their carrier routes by these confirmations; only SMS has such routes.
    const isWanted = route.channel === 'sms' && this.providers.named(route.provider)?.wantsConfirmation;
    if (!isWanted || providerId === null) return;
    const data = { sender: route.provider, providerId };
    this.background.run('confirm a code', () =>
      this.background.enqueue(CONFIRM_CODE, `confirm.${providerId}`, data),
    );
  }

  async run({ sender, providerId }: ConfirmCode): Promise<TaskEnd> {
    const provider = this.providers.named(sender);
    await provider?.confirm(providerId).catch((error: Error) => {
      if (error instanceof SendRefused) throw new GiveUp(error.message);
      const afterMs = error instanceof SendDeferred ? error.retryAfterMs : 0;
      throw new TryAgain(error.message, { afterMs });
    });
    return 'over';
  }

  /** Does nothing: a missing confirmation has no effect here. */
  async gaveUp(): Promise<void> {}
}
