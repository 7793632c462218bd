import { randomUUID } from 'node:crypto';
import { CHANNELS, type Channel } from '#config';
import type { PhoneNumber } from '#phone';
import {
  type DeliveryReport,
  type Failure,
  type FailureReason,
  type Message,
  MessageSender,
  type Receipt,
} from './message-sender.js';

const CAPACITY = 1_000;

/** What the inbox plays when somebody wants to see a message fail: a phone that is switched off (Twilio's 30003). */
const NOT_REACHED: Failure = { code: '30003', reason: 'unreachable', cure: 'another_channel' };

/** What becomes of messages: they arrive, they fail, or nothing is heard of them. */
export const PLANS = ['deliver', 'fail', 'delay'] as const;
export type Plan = (typeof PLANS)[number];

/** A state that a message reached. */
export interface Step {
  readonly status: string;
  readonly reason: FailureReason | null;
  readonly at: Date;
}

export interface InboxMessage {
  readonly id: string;
  readonly to: PhoneNumber;
  readonly channel: Channel;
  readonly locale: string;
  readonly body: string;
  readonly code: string;
  readonly createdAt: Date;
  /** What the delivery went through, oldest first. */
  readonly history: readonly Step[];
}

interface Kept extends InboxMessage {
  readonly reference: string;
  readonly history: Step[];
}

/** Delivers to nobody: keeps the newest thousand messages for whoever develops, in memory, and plays what they ask for. */
export class InboxSender extends MessageSender {
  readonly name = 'inbox';
  readonly channels = CHANNELS;
  /** What becomes of the next messages. */
  plan: Plan = 'deliver';
  private kept: Kept[] = [];
  private tell: (report: DeliveryReport) => void = () => {};

  async send({ to, channel, locale, body, code, reference }: Message): Promise<Receipt> {
    const message = { to, channel, locale, body, code, reference };
    const id = randomUUID();
    this.kept = [{ id, ...message, createdAt: new Date(), history: [] }, ...this.kept.slice(0, CAPACITY - 1)];
    if (this.plan === 'fail') setImmediate(() => this.settle(id, 'undelivered'));
    return { providerId: id, status: this.plan === 'deliver' ? 'delivered' : 'accepted' };
  }

  override onReport(tell: (report: DeliveryReport) => void): void {
    this.tell = tell;
  }

  /** Reports a message as arrived or not; false when there is no such message. */
  settle(id: string, status: 'delivered' | 'undelivered'): boolean {
    const message = this.kept.find((kept) => kept.id === id);
    if (!message) return false;
    const failure = status === 'undelivered' ? { failure: NOT_REACHED } : {};
    this.tell({ reference: message.reference, providerId: id, status, ...failure });
    return true;
  }

  /** What the delivery of a message came to, to be shown with it. */
  noticed(id: string, step: Step): void {
    this.kept.find((kept) => kept.id === id)?.history.push(step);
  }

  /** Newest first. */
  messages(to?: PhoneNumber): readonly InboxMessage[] {
    return to === undefined ? this.kept : this.kept.filter((message) => message.to === to);
  }

  clear(): void {
    this.kept = [];
  }
}
