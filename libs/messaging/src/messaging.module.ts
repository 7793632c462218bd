import { type DynamicModule, Module } from '@nestjs/common';
import type { AppConfig } from '#config';
import { BadNumbers } from './bad-numbers.repository.js';
import { GuardedSender } from './circuit-breaker.js';
import { callbackUrlFor, TwilioReports } from './delivery-reports.twilio.js';
import { MessageEvents } from './message-events.js';
import { HttpSender } from './message-sender.http.js';
import { InboxSender } from './message-sender.inbox.js';
import type { MessageSender } from './message-sender.js';
import { TwilioSender } from './message-sender.twilio.js';
import { Senders } from './senders.js';
import { Templates } from './templates.js';

/** Whoever carries messages here; the inbox also under its own name, for whoever shows it. */
@Module({})
export class MessagingModule {
  static forRoot(config: AppConfig): DynamicModule {
    const events = new MessageEvents();
    const inbox = config.sender === 'inbox' ? inboxThatHears(events) : null;
    const guarded = carriersOf(config).map(
      (sender) => new GuardedSender(sender, events.watchCircuit(sender.name)),
    );
    const callbackUrl = config.twilio && callbackUrlFor(config.publicUrl, config.twilio);
    const providers = [
      BadNumbers,
      { provide: MessageEvents, useValue: events },
      { provide: Senders, useValue: new Senders(inbox ? [inbox] : guarded) },
      { provide: Templates, useValue: new Templates(config) },
      ...(inbox ? [{ provide: InboxSender, useValue: inbox }] : []),
      ...(config.twilio && callbackUrl
        ? [{ provide: TwilioReports, useValue: new TwilioReports(config.twilio, callbackUrl) }]
        : []),
    ];
    return { module: MessagingModule, providers, exports: providers };
  }
}

/** The usual one first. */
function carriersOf({ sender, publicUrl, twilio, httpSender }: AppConfig): MessageSender[] {
  const carriers = [
    ...(twilio ? [new TwilioSender(twilio, callbackUrlFor(publicUrl, twilio))] : []),
    ...(httpSender ? [new HttpSender(httpSender)] : []),
  ];
  return sender === 'http' ? carriers.reverse() : carriers;
}

function inboxThatHears(events: MessageEvents): InboxSender {
  const inbox = new InboxSender();
  events.listen((providerId, step) => inbox.noticed(providerId, step));
  return inbox;
}
