import { Injectable, Logger } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import type { Route } from '#config';
import { Keys } from '#keys';
import { type DeliveryReport, type DeliveryStep, type Failure, MessageProviders } from '#messaging';
import { referenceOf, type Verification } from '#otp';
import { maskPhoneNumber, type PhoneNumber } from '#phone';
import { WebhookEvents } from '#webhooks';

const REPEATED_EVERY_MS = 60_000;

/** Failures that an operator must correct. */
const ALARMING = new Set<NonNullable<Failure['means']>>(['account', 'country', 'outage']);

/** The verification of a message. */
type Subject = Pick<Verification, 'id' | 'phoneNumber'>;

/** A delivery state that a message reached. */
interface ReachedState extends Omit<DeliveryReport, 'providerId'> {
  readonly providerId?: string | null;
  readonly route: Route;
  /** When the message was queued, if this report is the first about it; else null. */
  readonly queuedAt: Date | null;
  /** When the state was recorded. Like `queuedAt` a time of the store's clock, so that the two can be compared. */
  readonly at: Date;
}

/** Logs and counts the deliveries of messages. Lines name a verification by its reference and a number by its hash. */
@Injectable()
export class DeliveryEvents {
  private readonly logger = new Logger('Messaging');
  private readonly loggedAt = new Map<string, number>();
  private readonly metrics: Metrics;

  constructor(
    private readonly providers: MessageProviders,
    private readonly keys: Keys,
    private readonly webhooks: WebhookEvents,
    registry: Registry,
  ) {
    this.metrics = metricsIn(registry);
  }

  /** Records a state that a message reached. */
  reached(subject: Subject, { route, status, failure, providerId, queuedAt, at }: ReachedState): void {
    const { reason, code, means } = failure ?? {};
    const { channel, sender } = labelsOf(route);
    this.metrics.messages.inc({ channel, sender, status, reason: reason ?? '' });
    const details = { channel, sender, status, reason, code, provider_id: providerId ?? undefined };
    const line = { msg: `message ${status}`, event: 'reached', ...details, ...this.describe(subject) };
    if (reason === 'provider') this.logger.warn(line);
    else this.logger.log(line);
    if (queuedAt && !failure)
      this.metrics.handOver.observe({ channel, sender }, (at.getTime() - queuedAt.getTime()) / 1_000);
    if (failure && means && ALARMING.has(means)) this.alarmed(subject, sender, failure);
    if (queuedAt) this.show(route, providerId, { status: 'queued', reason: null, at: queuedAt });
    this.show(route, providerId, { status, reason: reason ?? null, at });
  }

  /** Tells the receiver of webhooks of a message that did not arrive and that no other one replaces. */
  async lost(
    { id, phoneNumber }: Subject,
    { channel, provider }: Route,
    report: DeliveryReport,
  ): Promise<void> {
    const { status, failure } = report;
    // Without a failure the code was no longer needed.
    if (!failure) return;
    const { reason, code } = failure;
    const data = { channel, provider, status, reason, code, phone_number: maskPhoneNumber(phoneNumber) };
    const event = { verification_reference: referenceOf(id), ...data };
    await this.webhooks.add({ type: 'message.failed', data: event }, phoneNumber);
  }

  /**
   * Records a fallback.
   *
   * @param providerId the provider's id of the message that was replaced.
   * @param at when the fallback was recorded.
   */
  fellBack(subject: Subject, from: Route, to: Route, providerId: string | null, at: Date): void {
    const routes = { from: `${from.channel}:${from.provider}`, to: `${to.channel}:${to.provider}` };
    this.metrics.fallbacks.inc(routes);
    this.logger.log({
      msg: 'message falls back to another route',
      event: 'fell_back',
      ...routes,
      provider_id: providerId ?? undefined,
      ...this.describe(subject),
    });
    this.show(from, providerId, { status: `replaced by ${to.channel}`, reason: null, at });
  }

  /**
   * Records a message that the provider did not accept and that will be retried. The first line of a cause in a minute is
   * a warning. The others tell about their own message only, and there may be many.
   *
   * @param code the provider's error code or a short word.
   */
  deferred(subject: Subject, { provider: sender }: Route, code: string): void {
    this.metrics.deferrals.inc({ sender, code });
    const details = { event: 'deferred', sender, code, ...this.describe(subject) };
    const line = { msg: `${sender} deferred a message: ${code}`, ...details };
    if (this.isDue(`deferred ${sender} ${code}`)) this.logger.warn(line);
    else this.logger.log(line);
  }

  testNumberUsed(subject: Subject, what: 'send' | 'check'): void {
    this.metrics.testNumberUses.inc({ what });
    const details = { event: 'test_number_used', what, ...this.describe(subject) };
    this.logger.log({ msg: `test number used: ${what}`, ...details });
  }

  /**
   * Records that a notice was sent, or will not be sent.
   *
   * @param failure a short word for the reason; null: it was sent.
   */
  noticeEnded(phoneNumber: PhoneNumber, failure: string | null): void {
    this.metrics.notices.inc({ status: failure === null ? 'sent' : 'failed' });
    const details = { event: 'notice_ended', number_hash: this.keys.phoneIndexOf(phoneNumber) };
    if (failure === null) this.logger.log({ msg: 'notice sent', ...details });
    else this.logger.warn({ msg: `a notice was not sent: ${failure}`, code: failure, ...details });
  }

  /** Records a failure that an operator must correct. */
  private alarmed(subject: Subject, sender: string, { code, means }: Failure): void {
    this.metrics.alarms.inc({ sender, code });
    const details = { event: 'alarmed', sender, code, means, ...this.describe(subject) };
    const line = { msg: `${sender} refuses messages: ${code}`, ...details };
    if (this.isDue(`alarmed ${sender} ${code}`)) this.logger.error(line);
  }

  /** Limits a log line to once a minute, because every message may repeat it. The counters count all of them. */
  private isDue(line: string): boolean {
    const now = Date.now();
    if (now - (this.loggedAt.get(line) ?? 0) < REPEATED_EVERY_MS) return false;
    this.loggedAt.set(line, now);
    return true;
  }

  private describe({ id, phoneNumber }: Subject) {
    return { verification: referenceOf(id), number_hash: this.keys.phoneIndexOf(phoneNumber) };
  }

  private show({ provider }: Route, providerId: string | null | undefined, step: DeliveryStep): void {
    if (providerId) this.providers.named(provider)?.recordStep(providerId, step);
  }
}

/** Metrics and logs use an older name for the provider. */
function labelsOf({ channel, provider }: Route) {
  return { channel, sender: provider };
}

type Metrics = ReturnType<typeof metricsIn>;

function metricsIn(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  return {
    messages: counter(
      'latchkey_messages_total',
      'Messages by delivery state; the reason is empty unless the message failed',
      ['channel', 'sender', 'status', 'reason'],
    ),
    handOver: new Histogram({
      name: 'latchkey_message_hand_over_seconds',
      help: 'Time from the request for a message until a provider accepted it',
      labelNames: ['channel', 'sender'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80],
      registers,
    }),
    fallbacks: counter(
      'latchkey_message_fallbacks_total',
      'Messages that fell back to another route, by both routes (channel:provider)',
      ['from', 'to'],
    ),
    alarms: counter(
      'latchkey_message_alarms_total',
      "Failures that an operator must correct at the provider or in the configuration, by the provider's error code",
      ['sender', 'code'],
    ),
    notices: counter(
      'latchkey_notices_total',
      'Messages that tell a user of a changed phone number, by the outcome',
      ['status'],
    ),
    testNumberUses: counter(
      'latchkey_test_number_uses_total',
      'Codes requested for test numbers and entered for them',
      ['what'],
    ),
    deferrals: counter(
      'latchkey_message_deferrals_total',
      'Messages that a provider did not accept and that were retried, by the cause',
      ['sender', 'code'],
    ),
  };
}
