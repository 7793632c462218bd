import { Injectable } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { BackgroundService } from '#background';
import type { Channel, Route } from '#config';
import { NotFound, Unavailable } from '#errors';
import type { DeliveryReport, Failure, Recovery } from '#messaging';
import { type DeliveryChange, type Verification, type VerificationId, VerificationService } from '#otp';
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
import { RouteChoice } from './route-choice.js';

export const SEND_CODE = 'send-code';

/** A deferred message is retried until its code expires, which comes before this number of tries. */
const TRIES = 100;

/** Few changes of one delivery coincide: at most the reports of one message, arriving at several processes. */
const MAX_CHANGE_ATTEMPTS = 50;

/** A code that expires sooner than this is not worth another message: the recipient could not enter it in time. */
const MIN_LIFE_TO_SEND_MS = 15_000;

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

  /** Returns the route of a first message, and whether it may fall back to another. */
  routeFor(channel: Channel, phoneNumber: PhoneNumber): { route: Route; hasFallback: boolean } {
    const route = this.routes.first(channel);
    const isTest = this.verifications.isTestNumber(phoneNumber);
    return { route, hasFallback: !isTest && this.routes.next(route, 'another_route') !== null };
  }

  /**
   * Queues the newest message. The task is durable when this resolves.
   *
   * @throws Unavailable
   */
  async start({ id, messageCount }: Pick<Verification, 'id' | 'messageCount'>): Promise<void> {
    // The names of the data are stored in the queue.
    await this.background.enqueue(SEND_CODE, `${id}.${messageCount}`, { id, send: messageCount }, TRIES);
  }

  /**
   * Records a provider's delivery report. Ignores a report on an unknown message.
   *
   * @throws Unavailable
   */
  async report(reference: string, report: DeliveryReport): Promise<void> {
    const message = this.references.open(reference);
    if (message) await this.record(message.id, { ...report, messageNumber: message.messageNumber });
  }

  /**
   * Records a state of a message. Retries the message or falls back when it failed in a way that this can cure.
   *
   * @throws Unavailable
   */
  async record(id: VerificationId, report: NumberedReport): Promise<void> {
    const replacement = new ReservedReplacement((verification) =>
      this.reserve(verification, report.failure?.recovery ?? 'none'),
    );
    const change = await this.change(id, async (verification) => {
      const needsReplacement =
        isNews(verification, report) &&
        isFailure(report) &&
        report.messageNumber === verification.messageCount;
      return afterReport(verification, report, needsReplacement ? await replacement.for(verification) : null);
    });
    await this.refundUnused(replacement, id, change);
    if (change) await this.follow(change, report);
  }

  /**
   * Records a failure that was known before the provider was asked, and refunds the message.
   *
   * @throws Unavailable
   */
  async recordUnsent({ id, phoneNumber, messageCount }: Verification, failure: Failure): Promise<void> {
    await this.record(id, { messageNumber: messageCount, status: 'failed', failure });
    await this.sendPolicy.refund(phoneNumber);
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
    const change = await this.change(id, async (verification) => {
      if (!isOverdue(verification.delivery, waitMs, Date.now())) return null;
      const reserved = await replacement.for(verification);
      return reserved ? afterReplacement(verification, reserved) : withoutFallback(verification);
    });
    await this.refundUnused(replacement, id, change);
    if (!change || !addsMessage(change)) return false;
    await this.startReplacement(change);
    return true;
  }

  /** Optimistic lock: re-reads and decides again if the row changed. Returns null when there is nothing to change. */
  private async change(
    id: VerificationId,
    decide: (verification: Verification) => Promise<DeliveryChange | null>,
  ): Promise<Change | null> {
    for (let attempt = 0; attempt < MAX_CHANGE_ATTEMPTS; attempt += 1) {
      const before = await this.verifications.get(id).catch(nullWhenPurged);
      const change = before && (await decide(before));
      if (!before || !change) return null;
      const after = await this.verifications.changeDelivery(before, change);
      if (after) return { before, after };
    }
    throw new Unavailable('the delivery of a message');
  }

  /** Does what follows from a recorded report. Ends with the replacement, if there is one. */
  private async follow(change: Change, report: NumberedReport): Promise<void> {
    const { before } = change;
    const { delivery, phoneNumber, route, tickets } = before;
    const { status, failure, providerId = delivery.providerId ?? undefined } = report;
    const isNewest = report.messageNumber === before.messageCount;
    const queuedAt = isNewest && delivery.status === 'queued' ? delivery.updatedAt : null;
    this.events.reached({ route, status, failure, providerId, queuedAt });
    if (failure?.means === 'bad_number') await this.badNumbers.remember(phoneNumber, route, failure);
    // An older message may have had another route than the newest.
    if (status === 'delivered' && isNewest) await this.badNumbers.forget(phoneNumber, route);
    if (failure?.means === 'fraud') await this.sendPolicy.reportFraud(tickets);
    // Must stay last: if an earlier step fails, the check for lost messages finds the replacement still queued.
    if (addsMessage(change)) await this.startReplacement(change);
  }

  private async startReplacement({ before, after }: Change): Promise<void> {
    if (after.delivery.fallback !== before.delivery.fallback) {
      this.events.fellBack(before.route, after.route, before.delivery.providerId);
    }
    await this.start(after);
  }

  /** Returns the replacement of a failed message, with its budget reserved; null when there is none. */
  private async reserve(verification: Verification, recovery: Recovery): Promise<Replacement | null> {
    const { delivery, phoneNumber } = verification;
    const replacement = isWorthSending(verification) ? this.replacementFor(verification, recovery) : null;
    if (replacement === null || (replacement.kind === 'fallback' && delivery.fallback !== 'open'))
      return null;
    return (await this.sendPolicy.admitFallback(phoneNumber, verification)) ? replacement : null;
  }

  /** Returns a retry for a temporary failure, at most once; else a fallback if a route is left. */
  private replacementFor({ delivery, route }: Verification, recovery: Recovery): Replacement | null {
    if (recovery === 'same_route' && !delivery.retried) return { kind: 'retry' };
    const next = this.routes.next(route, recovery === 'same_route' ? 'another_route' : recovery);
    return next && { kind: 'fallback', route: next };
  }

  /** Concurrent reports of one failure each reserve budget; only one sends. Refunds the others. */
  private async refundUnused(
    replacement: ReservedReplacement,
    id: VerificationId,
    change: Change | null,
  ): Promise<void> {
    const isUsed = change !== null && addsMessage(change);
    if (isUsed || (await replacement.reserved) === null) return;
    const { phoneNumber } = change?.after ?? (await this.verifications.get(id));
    await this.sendPolicy.refund(phoneNumber);
  }
}

/** Reserves a replacement at most once, because a retried decision must not reserve budget again. */
class ReservedReplacement {
  reserved: Promise<Replacement | null> | null = null;

  constructor(private readonly reserve: (verification: Verification) => Promise<Replacement | null>) {}

  for(verification: Verification): Promise<Replacement | null> {
    this.reserved ??= this.reserve(verification);
    return this.reserved;
  }
}

/** Returns whether a recipient who gets one more message now can still enter the code. */
export function isWorthSending({ status, expiresAt }: Verification): boolean {
  return status === 'pending' && expiresAt.getTime() - Date.now() > MIN_LIFE_TO_SEND_MS;
}

function addsMessage({ before, after }: Change): boolean {
  return after.messageCount > before.messageCount;
}

/** A purged verification needs no report. */
function nullWhenPurged(error: unknown): null {
  if (error instanceof NotFound) return null;
  throw error;
}
