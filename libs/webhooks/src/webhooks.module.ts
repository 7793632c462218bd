import { Module } from '@nestjs/common';
import { WebhookEvents } from './webhook-events.js';
import { WebhookMessagesRepository } from './webhook-messages.repository.js';

/** The events that wait for the receiver. The application provides `WebhookOptions`. */
@Module({
  providers: [WebhookEvents, WebhookMessagesRepository],
  exports: [WebhookEvents, WebhookMessagesRepository],
})
export class WebhooksModule {}
