import { Module } from '@nestjs/common';
import { BackgroundModule } from '#background';
import { WebhookOutcomes } from './webhook-outcomes.js';
import { WebhookSender } from './webhook-sender.js';
import { WebhooksModule } from './webhooks.module.js';

/** The sending of events, which commands do without. */
@Module({ imports: [BackgroundModule, WebhooksModule], providers: [WebhookOutcomes, WebhookSender] })
export class WebhookSenderModule {}
