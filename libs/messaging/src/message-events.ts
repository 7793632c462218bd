import { Injectable, Logger } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { SenderName } from '#config';
import type { Step } from './message-sender.inbox.js';
import type { DeliveryReport, Failure } from './message-sender.js';
import type { SenderRoute } from './senders.js';

/** What this room counts, for `GET /metrics`. */
export const messagingMetrics = new Registry();

const registers = [messagingMetrics];

const messages = new Counter({
  name: 'latchkey_messages_total',
  help: 'Messages by the states they reached; the reason is empty where nothing failed',
  labelNames: ['channel', 'sender', 'status', 'reason'],
  registers,
});

const handOver = new Histogram({
  name: 'latchkey_message_hand_over_seconds',
  help: 'From when a message was asked for until a provider had it',
  labelNames: ['channel', 'sender'],
  buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80],
  registers,
});

const fallbacks = new Counter({
  name: 'latchkey_message_fallbacks_total',
  help: 'Messages that took another route, by both routes (channel:sender)',
  labelNames: ['from', 'to'],
  registers,
});

const circuits = new Gauge({
  name: 'latchkey_sender_circuit_open',
  help: '1 while nothing is sent through the sender because it was found away',
  labelNames: ['sender'],
  registers,
});

const alarms = new Counter({
  name: 'latchkey_message_alarms_total',
  help: 'Failures that somebody has to mend at the provider or in the configuration, by its error code',
  labelNames: ['sender', 'code'],
  registers,
});

const testNumberUses = new Counter({
  name: 'latchkey_test_number_uses_total',
  help: 'Codes asked for and tried on test numbers',
  labelNames: ['what'],
  registers,
});

const deferrals = new Counter({
  name: 'latchkey_message_deferrals_total',
  help: 'Tries to hand a message over that came to nothing, by what was in the way',
  labelNames: ['sender', 'code'],
  registers,
});

const REPEATED_EVERY_MS = 60_000;

/** A state that a message reached. */
interface Reached {
  readonly channel: string;
  readonly sender: string;
  readonly status: DeliveryReport['status'];
  /** With `undelivered` and `failed`. */
  readonly failure?: Failure;
  /** The provider's own name for the message, once it has one. */
  readonly providerId?: string;
  /** Since when it had been waiting to be handed over; null: it was before. */
  readonly queuedAt: Date | null;
}

/** What becomes of messages: a line in the log and one more on a counter. No number in clear and no code gets here. */
@Injectable()
export class MessageEvents {
  private readonly logger = new Logger('Messaging');
  private readonly loggedAt = new Map<string, number>();
  private listener: (providerId: string, step: Step) => void = () => {};

  /** @param listener hears of each state of the messages that a provider has a name for. */
  listen(listener: (providerId: string, step: Step) => void): void {
    this.listener = listener;
  }

  reached({ channel, sender, status, failure, providerId, queuedAt }: Reached): void {
    const { reason, code, means } = failure ?? {};
    messages.inc({ channel, sender, status, reason: reason ?? '' });
    const about = { channel, sender, status, reason, code, provider_id: providerId };
    const line = { msg: `message ${status}`, event: 'reached', ...about };
    if (reason === 'provider') this.logger.warn(line);
    else this.logger.log(line);
    if (queuedAt && !failure)
      handOver.observe({ channel, sender }, (Date.now() - queuedAt.getTime()) / 1_000);
    if (failure && (means === 'account' || means === 'outage')) this.alarmed(sender, failure);
    if (queuedAt) this.tell(providerId, 'queued', null, queuedAt);
    this.tell(providerId, status, reason ?? null);
  }

  /** @param providerId of the message that was replaced. */
  fellBack(from: SenderRoute, to: SenderRoute, providerId: string | null): void {
    const route = { from: `${from.channel}:${from.sender}`, to: `${to.channel}:${to.sender}` };
    fallbacks.inc(route);
    this.logger.log({ msg: 'message takes another route', event: 'fell_back', ...route });
    this.tell(providerId, `replaced by ${to.channel}`, null);
  }

  /** @returns what the sender's circuit breaker is to tell. */
  watchCircuit(sender: SenderName): (isOpen: boolean) => void {
    circuits.set({ sender }, 0);
    return (isOpen) => {
      circuits.set({ sender }, isOpen ? 1 : 0);
      if (isOpen)
        this.logger.warn({ msg: `nothing goes through ${sender} for now`, event: 'circuit_opened', sender });
      else this.logger.log({ msg: `messages go through ${sender} again`, event: 'circuit_closed', sender });
    };
  }

  /**
   * A message could not be handed over, and will be tried again.
   *
   * @param code the provider's error code or a short word.
   */
  deferred(sender: string, code: string): void {
    deferrals.inc({ sender, code });
    const line = { msg: `${sender} takes no messages: ${code}`, event: 'deferred', sender, code };
    if (this.isDue(`deferred ${sender} ${code}`)) this.logger.warn(line);
  }

  /** Somebody has to mend something. */
  private alarmed(sender: string, { code, means }: Failure): void {
    alarms.inc({ sender, code });
    const line = { msg: `${sender} refuses messages: ${code}`, event: 'alarmed', sender, code, means };
    if (this.isDue(`alarmed ${sender} ${code}`)) this.logger.error(line);
  }

  /** Every message may say the same: the log repeats it once a minute, the counters count all. */
  private isDue(line: string): boolean {
    const now = Date.now();
    if (now - (this.loggedAt.get(line) ?? 0) < REPEATED_EVERY_MS) return false;
    this.loggedAt.set(line, now);
    return true;
  }

  testNumberUsed(what: 'send' | 'check'): void {
    testNumberUses.inc({ what });
    this.logger.log({ msg: `test number used: ${what}`, event: 'test_number_used', what });
  }

  private tell(
    providerId: string | null | undefined,
    status: string,
    reason: Step['reason'],
    at = new Date(),
  ): void {
    if (providerId) this.listener(providerId, { status, reason, at });
  }
}
