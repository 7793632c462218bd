export { addWebhooks } from './add-webhooks.js';
export { WebhookClient } from './webhook-client.js';
export type { WebhookEvent } from './webhook-event.js';
export { WebhookEvents } from './webhook-events.js';
export { WebhookMessagesRepository } from './webhook-messages.repository.js';
export { WebhookOptions } from './webhook-options.js';
export { LEASE_MS } from './webhook-sender.js';
export { WebhookSenderModule } from './webhook-sender.module.js';
export { WebhooksModule } from './webhooks.module.js';
