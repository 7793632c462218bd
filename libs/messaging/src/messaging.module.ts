import { type DynamicModule, Module } from '@nestjs/common';
import { InboxSender } from './message-sender.inbox.js';
import { MessageSender } from './message-sender.js';

/** Exports the sender; the inbox also under its own name, for whoever shows it. */
@Module({})
export class MessagingModule {
  static forRoot(sender: MessageSender): DynamicModule {
    const inbox = sender instanceof InboxSender ? [{ provide: InboxSender, useValue: sender }] : [];
    const providers = [{ provide: MessageSender, useValue: sender }, ...inbox];
    return { module: MessagingModule, providers, exports: providers };
  }
}
