import { Injectable, Logger } from '@nestjs/common';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database, type Statement } from '#postgres';
import { addWebhooks } from './add-webhooks.js';
import { lifeOf } from './retry-plan.js';
import type { WebhookEvent } from './webhook-event.js';
import { WebhookOptions } from './webhook-options.js';

const ADD: Statement = { name: 'webhook-add', text: addWebhooks('$1', { phoneSealed: '$2' }) };

/** Stores events for the receiver. `WebhookSender` sends them, in a process that does background work. */
@Injectable()
export class WebhookEvents {
  private readonly logger = new Logger('Webhooks');
  private onStored = () => {};

  constructor(
    private readonly database: Database,
    private readonly keys: Keys,
    private readonly options: WebhookOptions,
  ) {}

  /** Returns the parameter of a statement by `addWebhooks`; null where webhooks are off. */
  valueOf(...events: readonly WebhookEvent[]): string | null {
    const { receiver } = this.options;
    if (!receiver) return null;
    const life_ms = lifeOf(receiver.retryWaitsMs);
    return JSON.stringify(events.map(({ type, data }) => ({ type, data, life_ms })));
  }

  /**
   * Stores an event before what it tells about is recorded.
   *
   * @param phoneNumber the whole number of an event that has a masked one.
   * @throws Unavailable
   */
  async store(event: WebhookEvent, phoneNumber: PhoneNumber | null): Promise<void> {
    const value = this.valueOf(event);
    if (value === null) return;
    await this.database.run(ADD, [value, phoneNumber && this.keys.seal(phoneNumber)]);
    this.onStored();
  }

  /** Stores an event after what it tells about was recorded. So a failure is logged, not thrown. */
  async add(event: WebhookEvent, phoneNumber: PhoneNumber | null): Promise<void> {
    await this.store(event, phoneNumber).catch((failure: Error) => {
      this.logger.warn(`an event (${event.type}) was not stored: ${failure.message}`);
    });
  }

  /** Sends stored events soon. Call it after the commit. */
  start(): void {
    if (this.options.receiver) this.onStored();
  }

  /** Sets the listener that is called after events were stored by this process. */
  listen(listener: () => void): void {
    this.onStored = listener;
  }
}
