import { randomUUID } from 'node:crypto';
import type { PhoneNumber } from '#phone';
import { type Channel, type Message, MessageSender, type Receipt } from './message-sender.js';

const CAPACITY = 1_000;

export interface InboxMessage {
  readonly id: string;
  readonly to: PhoneNumber;
  readonly channel: Channel;
  readonly body: string;
  readonly code: string;
  readonly createdAt: Date;
}

/** Delivers to nobody: keeps the newest thousand messages for whoever develops, in memory. */
export class InboxSender extends MessageSender {
  private kept: InboxMessage[] = [];

  async send({ to, channel, body, code }: Message): Promise<Receipt> {
    const message = { id: randomUUID(), to, channel, body, code, createdAt: new Date() };
    this.kept = [message, ...this.kept.slice(0, CAPACITY - 1)];
    return { providerId: message.id };
  }

  /** Newest first. */
  messages(to?: PhoneNumber): readonly InboxMessage[] {
    return to === undefined ? this.kept : this.kept.filter((message) => message.to === to);
  }

  clear(): void {
    this.kept = [];
  }
}
