import { Module } from '@nestjs/common';
import { AbuseModule } from '#abuse';
import { BackgroundModule } from '#background';
import { MessagingModule } from '#messaging';
import { OtpModule } from '#otp';
import { WebhooksModule } from '#webhooks';
import { BadNumbersModule } from './bad-numbers.module.js';
import { CodeMessages } from './code-messages.js';
import { ConfirmCodeTask } from './confirm-code.task.js';
import { DeliveryService } from './delivery.service.js';
import { DeliveryChecks } from './delivery-checks.js';
import { DeliveryEvents } from './delivery-events.js';
import { MessageReferences } from './message-references.js';
import { NoticeMessages } from './notice-messages.js';
import { NoticesRepository } from './notices.repository.js';
import { QueuedMessagesRepository } from './queued-messages.repository.js';
import { RouteChoice } from './route-choice.js';
import { SendCodeTask } from './send-code.task.js';
import { SendNoticeTask } from './send-notice.task.js';

/** The delivery of messages. The application provides `DeliveryOptions`. */
@Module({
  imports: [AbuseModule, BackgroundModule, BadNumbersModule, MessagingModule, OtpModule, WebhooksModule],
  providers: [
    CodeMessages,
    ConfirmCodeTask,
    DeliveryChecks,
    DeliveryEvents,
    DeliveryService,
    MessageReferences,
    NoticeMessages,
    NoticesRepository,
    QueuedMessagesRepository,
    RouteChoice,
    SendCodeTask,
    SendNoticeTask,
  ],
  exports: [BadNumbersModule, ConfirmCodeTask, DeliveryService, NoticesRepository, SendNoticeTask],
})
export class DeliveryModule {}
