export { credentialFault } from './credentials-check.js';
export {
  callbackUrlFor,
  ReportForged,
  type StatusCallback,
  TwilioReports,
} from './delivery-reports.twilio.js';
export { LocaleChoice } from './locale.js';
export { NUMBER_CHANGED } from './locales.js';
export { checkAllMessages } from './message-check.js';
export { type Finding, lintMessages } from './message-lint.js';
export { type InboxMessage, InboxProvider, PLANS, type Plan } from './message-provider.inbox.js';
export {
  CIRCUIT_OPEN,
  type DeliveryReport,
  type DeliveryStep,
  type Failure,
  type Message,
  MessageProvider,
  type Receipt,
  type Recovery,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';
export { TwilioProvider } from './message-provider.twilio.js';
export { MessageProviders } from './message-providers.js';
export { MessagingModule } from './messaging.module.js';
export { MessagingOptions } from './messaging-options.js';
export { localesFor, readMessages } from './own-texts.js';
export { segmentsOf } from './segments.js';
export { Templates } from './templates.js';
