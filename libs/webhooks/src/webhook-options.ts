import type { AppConfig } from '#config';

export abstract class WebhookOptions {
  /** Null: no event is stored or sent. */
  abstract readonly receiver: AppConfig['webhooks'];
}
