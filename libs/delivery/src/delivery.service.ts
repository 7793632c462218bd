import { Injectable } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { BackgroundService } from '#background';
import type { Channel, Route } from '#config';
import { NotFound, Unavailable } from '#errors';
import type { DeliveryReport, Recovery } from '#messaging';
import {
  chargeOf,
  type DeliveryChange,
  type MessageTask,
  type Verification,
  type VerificationId,
  VerificationService,
} from '#otp';
import type { PhoneNumber } from '#phone';
import { BadNumbersRepository } from './bad-numbers.repository.js';
import { DeliveryEvents } from './delivery-events.js';
import {
  afterReplacement,
  afterReport,
  isFailure,
  isNews,
  isOverdue,
  type NumberedReport,
  type Replacement,
  withoutFallback,
} from './delivery-state.js';
import { MessageReferences } from './message-references.js';
import { type Reservation, ReservedReplacement } from './reserved-replacement.js';
import { RouteChoice } from './route-choice.js';

/** A deferred message is retried until its code expires, which comes before this number of tries. */
export const SEND_CODE: MessageTask = { name: 'send-code', maxTries: 100 };

/** Few changes of one delivery coincide: at most the reports of one message, arriving at several processes. */
const MAX_CHANGE_ATTEMPTS = 50;

/** A code that expires sooner than this is not worth another message: the recipient could not enter it in time. */
const MIN_LIFE_TO_SEND_MS = 15_000;

/** The starting point of a change. */
interface StartOfChange {
  readonly id: VerificationId;
  /** The verification as it was read before; the first decision is made on it. */
  readonly known?: Verification;
  /** The message whose task has sent it, if the change is its outcome. */
  readonly sentMessage?: number;
}

/** A verification before and after its delivery changed. */
interface Change {
  readonly before: Verification;
  readonly after: Verification;
}

/** The delivery of messages after the request was answered: reports, retries, fallbacks. */
@Injectable()
export class DeliveryService {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly sendPolicy: SendPolicyService,
    private readonly routes: RouteChoice,
    private readonly badNumbers: BadNumbersRepository,
    private readonly references: MessageReferences,
    private readonly events: DeliveryEvents,
  ) {}

  /** Returns the route of a first message, whether it may fall back, and all routes that may carry it. */
  routeFor(
    channel: Channel,
    phoneNumber: PhoneNumber,
  ): { route: Route; hasFallback: boolean; routes: [Route, ...Route[]] } {
    const route = this.routes.first(channel);
    const isTest = this.verifications.isTestNumber(phoneNumber);
    const next = isTest ? null : this.routes.next(route, 'another_route', phoneNumber);
    return { route, hasFallback: next !== null, routes: next ? [route, next] : [route] };
  }

  /**
   * Starts the task of the newest message, which the verification says is queued. The answer does not wait for the queue: the message
   * is durable, and the check for lost messages adds its task if the queue does not answer.
   */
  start(verification: Pick<Verification, 'id' | 'messageCount'>): void {
    this.background.run('a message was not queued', () => this.queue(verification));
  }

  /**
   * Adds the task of the newest message, unless the queue has it.
   *
   * @throws Unavailable
   */
  async addTask({ id, messageCount }: Pick<Verification, 'id' | 'messageCount'>): Promise<void> {
    const { name, maxTries } = SEND_CODE;
    // The names of the data are stored in the queue.
    await this.background.enqueue(name, `${id}.${messageCount}`, { id, send: messageCount }, maxTries);
  }

  /**
   * Records a provider's delivery report. Ignores a report on an unknown message.
   *
   * @throws Unavailable
   */
  async report(reference: string, report: DeliveryReport): Promise<void> {
    const message = this.references.open(reference);
    if (message) await this.record(message.id, { ...report, ...message.numbered });
  }

  /**
   * Records a state of a message. Retries the message or falls back when it failed in a way that this can cure.
   *
   * The effects come before the record. If either fails, the provider repeats its report, and the effects repeat without
   * harm; after the record, the repeated report would be no news and lost effects would stay lost.
   *
   * @throws Unavailable
   */
  async record(id: VerificationId, report: NumberedReport): Promise<void> {
    await this.recordFrom({ id }, report);
  }

  /**
   * Records what the provider answered to a message, as `record` does. Where the store adds tasks, the same statement
   * removes the task that sent the message.
   *
   * @param sent the verification as it was read before the message was sent.
   * @returns true if the task was removed.
   * @throws Unavailable
   */
  async recordOutcome(sent: Verification, report: NumberedReport): Promise<boolean> {
    const { id } = sent;
    // Whether a failed message is worth another one depends on the time now.
    const start = isFailure(report) ? { id } : { id, known: sent, sentMessage: report.messageNumber };
    const change = await this.recordFrom(start, report);
    return this.verifications.addsTasks && change !== null && start.sentMessage !== undefined;
  }

  private async recordFrom(start: StartOfChange, report: NumberedReport): Promise<Change | null> {
    const replacement = new ReservedReplacement((verification) =>
      this.reserve(verification, report.failure?.recovery ?? 'none'),
    );
    const change = await this.change(start, async (verification) => {
      await this.applyEffects(verification, report);
      const needsReplacement =
        isNews(verification, report) &&
        isFailure(report) &&
        report.messageNumber === verification.messageCount;
      const reserved = needsReplacement ? await replacement.for(verification) : null;
      return charged(afterReport(verification, report, reserved?.replacement ?? null), reserved);
    });
    await this.refundUnused(replacement, change);
    if (change) await this.follow(change, report);
    return change;
  }

  /**
   * Refunds a message that was not sent, or that its provider refused. Repeating it changes nothing.
   *
   * @throws Unavailable
   */
  async refund(verification: Verification, messageNumber: number): Promise<void> {
    await this.sendPolicy.refund(chargeOf(verification, messageNumber));
  }

  /**
   * Falls back at once, if a route is left that the recovery allows.
   *
   * @throws Unavailable
   */
  async fallBack(verification: Verification, recovery: Recovery): Promise<boolean> {
    if (verification.delivery.fallback !== 'open' || !this.replacementFor(verification, recovery))
      return false;
    return this.fallBackAfter(verification.id, 0, recovery);
  }

  /**
   * Falls back if the wait is over and no report says that the message was sent.
   *
   * @throws Unavailable
   */
  async fallBackAfter(id: VerificationId, waitMs: number, recovery: Recovery): Promise<boolean> {
    const replacement = new ReservedReplacement((verification) => this.reserve(verification, recovery));
    const change = await this.change({ id }, async (verification) => {
      if (!isOverdue(verification.delivery, waitMs, verification.readAt)) return null;
      const reserved = await replacement.for(verification);
      return reserved
        ? charged(afterReplacement(verification, reserved.replacement), reserved)
        : withoutFallback(verification);
    });
    await this.refundUnused(replacement, change);
    if (!change || !addsMessage(change)) return false;
    await this.startReplacement(change);
    return true;
  }

  /** Optimistic lock: re-reads and decides again if the row changed. Returns null when there is nothing to change. */
  private async change(
    { id, known, sentMessage }: StartOfChange,
    decide: (verification: Verification) => Promise<DeliveryChange | null>,
  ): Promise<Change | null> {
    for (let attempt = 0; attempt < MAX_CHANGE_ATTEMPTS; attempt += 1) {
      const before =
        (attempt === 0 ? known : undefined) ?? (await this.verifications.get(id).catch(nullWhenPurged));
      const change = before && (await decide(before));
      if (!before || !change) return null;
      const after = await this.verifications.changeDelivery(before, change, sentMessage);
      if (after) return { before, after };
    }
    throw new Unavailable('the delivery of a message');
  }

  /** Applies what a report says about the number, its country and the charge. Repeating it changes nothing. */
  private async applyEffects(verification: Verification, report: NumberedReport): Promise<void> {
    const { phoneNumber, tickets, messageCount } = verification;
    const { status, failure, messageNumber, route = verification.route } = report;
    if (failure?.isFree) await this.refund(verification, messageNumber);
    if (!isNews(verification, report)) return;
    if (failure?.badForMinutes !== undefined) await this.badNumbers.remember(phoneNumber, route, failure);
    if (failure?.means === 'country') await this.sendPolicy.recordRefusedCountry(phoneNumber, route);
    if (failure?.means === 'fraud') await this.sendPolicy.reportFraud(tickets);
    // An older message may have had another route than the newest.
    if (messageNumber !== messageCount && report.route === undefined) return;
    if (status === 'delivered') await this.badNumbers.forget(phoneNumber, route);
    if (status === 'delivered' || status === 'sent') await this.sendPolicy.recordSent(phoneNumber, route);
  }

  /** Logs a recorded report, and starts the replacement if there is one. */
  private async follow(change: Change, report: NumberedReport): Promise<void> {
    const { before, after } = change;
    const { delivery } = before;
    // An older message may have had another route than the newest.
    const { status, failure, route = before.route } = report;
    const isNewest = report.messageNumber === before.messageCount;
    const providerId = report.providerId ?? (isNewest ? delivery.providerId : null);
    const queuedAt = isNewest && delivery.status === 'queued' ? delivery.updatedAt : null;
    this.events.reached(after, {
      route,
      status,
      failure,
      providerId,
      queuedAt,
      at: after.delivery.updatedAt,
    });
    // If this fails, the check for lost messages finds the replacement still queued.
    if (addsMessage(change)) await this.startReplacement(change);
    else if (isFailure(report)) await this.events.lost(after, route, report);
  }

  private async queue(verification: Pick<Verification, 'id' | 'messageCount'>): Promise<void> {
    if (this.verifications.addsTasks) this.background.announce();
    else await this.addTask(verification).catch(ignoreUnavailable);
  }

  private async startReplacement({ before, after }: Change): Promise<void> {
    if (after.delivery.fallback !== before.delivery.fallback) {
      const { providerId } = before.delivery;
      this.events.fellBack(after, before.route, after.route, providerId, after.delivery.updatedAt);
    }
    await this.queue(after);
  }

  /** Returns the replacement of a failed message, with its budget reserved; null when there is none. */
  private async reserve(verification: Verification, recovery: Recovery): Promise<Reservation | null> {
    const { delivery, phoneNumber, route } = verification;
    const replacement = isWorthSending(verification) ? this.replacementFor(verification, recovery) : null;
    if (replacement === null || (replacement.kind === 'fallback' && delivery.fallback !== 'open'))
      return null;
    const next = replacement.kind === 'fallback' ? replacement.route : route;
    const charge = await this.sendPolicy.admitFallback(phoneNumber, verification, next);
    return charge === null ? null : { replacement, charge };
  }

  /** Returns a retry for a temporary failure, at most once; else a fallback if a route is left. */
  private replacementFor(
    { delivery, route, phoneNumber }: Verification,
    recovery: Recovery,
  ): Replacement | null {
    if (recovery === 'same_route' && !delivery.retried) return { kind: 'retry' };
    const next = this.routes.next(route, recovery === 'same_route' ? 'another_route' : recovery, phoneNumber);
    return next && { kind: 'fallback', route: next };
  }

  /** Concurrent reports of one failure each reserve budget; only one sends. Refunds the others. */
  private async refundUnused(replacement: ReservedReplacement, change: Change | null): Promise<void> {
    const isUsed = change !== null && addsMessage(change);
    const reserved = await replacement.reserved;
    if (reserved && !isUsed) await this.sendPolicy.refund(reserved.charge);
  }
}

/** Returns whether a recipient who gets one more message now can still enter the code. */
export function isWorthSending({
  status,
  expiresAt,
  readAt,
}: Pick<Verification, 'status' | 'expiresAt' | 'readAt'>): boolean {
  return status === 'pending' && expiresAt.getTime() - readAt.getTime() > MIN_LIFE_TO_SEND_MS;
}

/** Stores the reserved charge with the message that a change adds. */
function charged(change: DeliveryChange | null, reserved: Reservation | null): DeliveryChange | null {
  return change?.addsMessage ? { ...change, charge: reserved?.charge ?? null } : change;
}

function addsMessage({ before, after }: Change): boolean {
  return after.messageCount > before.messageCount;
}

/** A purged verification needs no report. */
function nullWhenPurged(error: unknown): null {
  if (error instanceof NotFound) return null;
  throw error;
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof Unavailable)) throw error;
}
