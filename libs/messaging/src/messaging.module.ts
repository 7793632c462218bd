import { type DynamicModule, Logger, Module, type OnModuleInit } from '@nestjs/common';
import type { AppConfig } from '#config';
import { BadNumbers } from './bad-numbers.repository.js';
import { GuardedSender } from './circuit-breaker.js';
import { callbackUrlFor, TwilioReports } from './delivery-reports.twilio.js';
import { checkMessages } from './message-check.js';
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
  /** @throws ConfigurationError when codes of the usual length do not fit one SMS. */
  static forRoot(config: AppConfig): DynamicModule {
    const warnings = checkMessages(config);
    const events = new MessageEvents();
    const inbox = config.sender === 'inbox' ? inboxThatHears(events) : null;
    const guarded = carriersOf(config).map(
      (sender) => new GuardedSender(sender, events.watchCircuit(sender.name)),
    );
    const callbackUrl = config.twilio && callbackUrlFor(config.publicUrl, config.twilio);
    const providers = [
      BadNumbers,
      { provide: TextWarnings, useValue: new TextWarnings(warnings) },
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

/** Said when there is a log to say it in. */
class TextWarnings implements OnModuleInit {
  constructor(private readonly warnings: readonly string[]) {}

  onModuleInit(): void {
    for (const warning of this.warnings) new Logger('Messaging').warn(warning);
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
