export { CHANNELS, type Channel } from '#config';
export { BadNumbers } from './bad-numbers.repository.js';
export { CIRCUIT_OPEN } from './circuit-breaker.js';
export { callbackUrlFor, ReportForged, TwilioReports } from './delivery-reports.twilio.js';
export { localeFor } from './locale.js';
export { MessageEvents, messagingMetrics } from './message-events.js';
export { type Finding, lintMessages } from './message-lint.js';
export { type InboxMessage, InboxSender, PLANS, type Plan } from './message-sender.inbox.js';
export {
  type Cure,
  type DeliveryReport,
  type Failure,
  type Message,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';
export { TwilioSender } from './message-sender.twilio.js';
export { MessagingModule } from './messaging.module.js';
export { segmentsOf } from './segments.js';
export { nextRoute, type SenderRoute, Senders } from './senders.js';
export { Templates } from './templates.js';
