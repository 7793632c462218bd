import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CHANNELS, type Channel } from '#config';
import type { PhoneNumber } from '#phone';
import {
  type DeliveryReport,
  type DeliveryStep,
  type Failure,
  type Message,
  MessageProvider,
  type Receipt,
} from './message-provider.js';

const CAPACITY = 1_000;

/** The failure that the inbox simulates: a phone that is switched off (Twilio's 30003). */
const UNREACHABLE: Failure = { code: '30003', reason: 'unreachable', recovery: 'another_channel' };

/** Simulated outcomes of messages. `delay`: no report follows. */
export const PLANS = ['deliver', 'fail', 'delay'] as const;
export type Plan = (typeof PLANS)[number];

export interface InboxMessage {
  readonly id: string;
  readonly to: PhoneNumber;
  readonly channel: Channel;
  readonly locale: string;
  readonly body: string;
  /** Null for a message without a code. */
  readonly code: string | null;
  readonly createdAt: Date;
  /** The delivery states so far, oldest first. */
  readonly history: readonly DeliveryStep[];
}

interface StoredMessage extends InboxMessage {
  readonly reference: string;
  readonly history: DeliveryStep[];
}

/** Delivers nothing: keeps the newest thousand messages in memory for developers, and simulates delivery outcomes. */
@Injectable()
export class InboxProvider extends MessageProvider {
  readonly name = 'inbox';
  readonly channels = CHANNELS;
  /** The outcome of the next messages. */
  plan: Plan = 'deliver';
  private stored: StoredMessage[] = [];
  private reportTo: (reference: string, report: DeliveryReport) => void = () => {};

  async send({ to, channel, locale, body, code, reference }: Message): Promise<Receipt> {
    const id = randomUUID();
    const message = { id, to, channel, locale, body, code, reference, createdAt: new Date(), history: [] };
    this.stored = [message, ...this.stored.slice(0, CAPACITY - 1)];
    if (this.plan === 'fail') setImmediate(() => this.settle(id, 'undelivered'));
    return { providerId: id, status: this.plan === 'deliver' ? 'delivered' : 'accepted' };
  }

  override onReport(listener: (reference: string, report: DeliveryReport) => void): void {
    this.reportTo = listener;
  }

  override recordStep(id: string, step: DeliveryStep): void {
    this.stored.find((message) => message.id === id)?.history.push(step);
  }

  /** Reports a message as delivered or undelivered. Returns false when there is no such message. */
  settle(id: string, status: 'delivered' | 'undelivered'): boolean {
    const message = this.stored.find((stored) => stored.id === id);
    if (!message) return false;
    const failure = status === 'undelivered' ? { failure: UNREACHABLE } : {};
    this.reportTo(message.reference, { providerId: id, status, ...failure });
    return true;
  }

  /** Returns the messages, newest first. */
  messages(to?: PhoneNumber): readonly InboxMessage[] {
    return to === undefined ? this.stored : this.stored.filter((message) => message.to === to);
  }

  clear(): void {
    this.stored = [];
  }
}
