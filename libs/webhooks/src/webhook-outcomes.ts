import { Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import type { WebhookMessage } from './webhook-messages.repository.js';

const REPEATED_EVERY_MS = 60_000;

/** The outcome of one try, or the end of an event whose life has ended. */
export type WebhookOutcome = 'delivered' | 'failed' | 'gone' | 'given_up' | 'expired';

/** Logs and counts the outcomes of tries. No line names the receiver: its address may be a credential. */
@Injectable()
export class WebhookOutcomes {
  private readonly logger = new Logger('Webhooks');
  private readonly counter: Counter<'outcome'>;
  /** When each warning was last logged. */
  private readonly loggedAt = new Map<string, number>();

  constructor(registry: Registry) {
    this.counter = new Counter({
      name: 'latchkey_webhooks_total',
      help: 'Tries to deliver an event by their outcome, and events whose life ended undelivered (expired)',
      labelNames: ['outcome'],
      registers: [registry],
    });
  }

  /** @param code the status of the answer, or a short word. */
  tried(
    outcome: Exclude<WebhookOutcome, 'expired'>,
    { id, type, tries }: WebhookMessage,
    code: string,
  ): void {
    this.counter.inc({ outcome });
    const details = { event: `webhook_${outcome}`, webhook: id, type, code, tries: tries + 1 };
    if (outcome === 'delivered') this.logger.debug({ msg: 'webhook delivered', ...details });
    else if (this.isDue(`${outcome} ${code}`))
      this.logger.warn({ msg: messageOf(outcome, code), ...details });
    else this.logger.log({ msg: messageOf(outcome, code), ...details });
  }

  /** Records events that were deleted undelivered. */
  expired(count: number): void {
    if (count === 0) return;
    this.counter.inc({ outcome: 'expired' }, count);
    this.logger.warn({ msg: `${count} webhooks were given up: too old`, event: 'webhook_expired', count });
  }

  /** Limits a warning to once a minute, because every event may repeat it. */
  private isDue(line: string): boolean {
    const now = Date.now();
    if (now - (this.loggedAt.get(line) ?? 0) < REPEATED_EVERY_MS) return false;
    this.loggedAt.set(line, now);
    return true;
  }
}

function messageOf(outcome: 'failed' | 'gone' | 'given_up', code: string): string {
  if (outcome === 'failed') return `a webhook will be tried again: ${code}`;
  return outcome === 'gone'
    ? 'the receiver refuses an event for good (410)'
    : `a webhook was given up after its last try: ${code}`;
}
