export { codeMessage } from './code-message.js';
export { type InboxMessage, InboxSender } from './message-sender.inbox.js';
export {
  CHANNELS,
  type Channel,
  type Message,
  MessageSender,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';
export { TwilioSender } from './message-sender.twilio.js';
export { MessagingModule } from './messaging.module.js';
