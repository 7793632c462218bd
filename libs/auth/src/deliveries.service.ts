import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Sends } from '#abuse';
import { BackgroundService } from '#background';
import type { FallbackConfig, SenderName } from '#config';
import { NotFound } from '#errors';
import { Keys } from '#keys';
import {
  BadNumbers,
  type Channel,
  type Cure,
  type DeliveryReport,
  MessageEvents,
  nextRoute,
  type SenderRoute,
  Senders,
} from '#messaging';
import {
  type Change,
  type Remedy,
  TestNumbers,
  type Verification,
  type VerificationId,
  VerificationService,
} from '#otp';
import type { PhoneNumber } from '#phone';

export const SEND_CODE = 'send-code';

/** A message that is deferred is tried again for as long as its code lives; this is more often than that. */
const TRIES = 100;

/** A task is found missing this long after its message was asked for, and added again. */
const LOST_AFTER_MS = 5_000;
const LOOK_FOR_LOST_EVERY_MS = 5_000;
const LOOK_FOR_OVERDUE_EVERY_MS = 1_000;
const MOST_AT_ONCE = 200;

/** A code with less life than this is not worth another message: its reader would be too late. */
const TOO_SHORT_TO_SEND_MS = 15_000;

const REFERENCE = 'reference of a message';

/** How a message travels, and whether another way is left when it does not arrive. */
export interface Route {
  readonly channel: Channel;
  readonly sender: string;
  readonly hasFallback: boolean;
}

/** What was heard of one message. */
export type Heard = Omit<DeliveryReport, 'reference' | 'providerId'> & {
  readonly send: number;
  readonly providerId?: string;
};

export abstract class DeliveryOptions {
  /** Null: a code that did not arrive goes nowhere else. */
  abstract readonly fallback: FallbackConfig | null;
}

/** What becomes of messages, and what is done about those that do not arrive. */
@Injectable()
export class Deliveries implements OnModuleInit {
  private readonly logger = new Logger('Delivery');

  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly senders: Senders,
    private readonly sends: Sends,
    private readonly badNumbers: BadNumbers,
    private readonly testNumbers: TestNumbers,
    private readonly keys: Keys,
    private readonly events: MessageEvents,
    private readonly options: DeliveryOptions,
  ) {}

  onModuleInit(): void {
    for (const sender of this.senders.all) {
      sender.onReport((report) => this.background.run('report on a message', () => this.report(report)));
    }
    // The verification is the durable truth. A task that a crash of the queue lost is found by what it left undone.
    this.background.every(LOOK_FOR_LOST_EVERY_MS, 'look for lost messages', () => this.startLost());
    if (this.options.fallback) {
      this.background.every(LOOK_FOR_OVERDUE_EVERY_MS, 'look for overdue messages', () =>
        this.fallBackOverdue(),
      );
    }
  }

  /** The way that a message takes at first. */
  routeFor(channel: Channel, phoneNumber: PhoneNumber): Route {
    const sender = this.senders.usual(channel).name;
    const isTest = this.testNumbers.codeOf(phoneNumber) !== null;
    const hasFallback =
      !isTest &&
      nextRoute(this.options.fallback, this.senders, { channel, sender }, 'another_route') !== null;
    return { channel, sender, hasFallback };
  }

  /** Has the newest message sent; durable when it resolves. */
  async start({ id, sends }: Pick<Verification, 'id' | 'sends'>): Promise<void> {
    await this.background.enqueue(SEND_CODE, `${id}.${sends}`, { id, send: sends }, TRIES);
  }

  /** What a provider's reports on the newest message name it by: it passes through other people's logs. */
  referenceOf({ id, sends }: Verification): string {
    return this.keys.seal(`${id}.${sends}`, REFERENCE);
  }

  /** Takes down what a provider says of a message. */
  async report({ reference, ...report }: DeliveryReport): Promise<void> {
    const message = this.messageOf(reference);
    if (message) await this.heard(message.id, { ...report, send: message.send });
  }

  /** Takes down what became of a message, and does what can be done when it did not arrive. */
  async heard(id: VerificationId, report: Heard): Promise<void> {
    const { failure, send, status, providerId } = report;
    // Found once, however often the change must be decided anew: what it takes is paid for.
    let remedy: Promise<Remedy | null> | null = null;
    const reported = this.verifications.report(
      id,
      { send, status, providerId, reason: failure?.reason },
      async (verification) => {
        if (failure) remedy ??= this.remedyFor(verification, failure.cure);
        return remedy;
      },
    );
    const change = await reported.catch(nullWhenGone);
    await this.giveBackUnused(await remedy, id, change);
    if (change) await this.follow(change, report);
  }

  /** Takes another way at once, if there is one that could cure what is wrong with this one. */
  async fallBack(verification: Verification, cure: Cure): Promise<boolean> {
    const isThere = verification.delivery.fallback === 'open' && this.remedyOf(verification, cure) !== null;
    return isThere && this.fallBackAfter(verification.id, 0, cure);
  }

  private async fallBackAfter(id: VerificationId, waitMs: number, cure: Cure): Promise<boolean> {
    let remedy: Promise<Remedy | null> | null = null;
    const change = await this.verifications.fallBack(id, waitMs, (verification) => {
      remedy ??= this.remedyFor(verification, cure);
      return remedy;
    });
    await this.giveBackUnused(await remedy, id, change);
    if (change) await this.startNext(change);
    return change !== null;
  }

  /** Of many who find the same failure each pays for what it does about it, and one does it. */
  private async giveBackUnused(
    remedy: Remedy | null,
    id: VerificationId,
    change: Change | null,
  ): Promise<void> {
    const isUsed = change !== null && change.after.sends > change.before.sends;
    if (remedy === null || isUsed) return;
    const { phoneNumber } = change?.after ?? (await this.verifications.get(id));
    await this.sends.unspent(phoneNumber);
  }

  private messageOf(reference: string): { id: VerificationId; send: number } | null {
    try {
      const [id, send] = this.keys.unseal(reference, REFERENCE).split('.') as [VerificationId, string];
      return { id, send: Number(send) };
    } catch {
      this.logger.warn('a report names a message that is none of ours');
      return null;
    }
  }

  private async follow(change: Change, { send, status, failure, providerId }: Heard): Promise<void> {
    const { before, after } = change;
    const { delivery, phoneNumber, tickets } = before;
    const way = wayOf(before);
    this.events.reached({
      ...{ ...way, status, failure, providerId: providerId ?? delivery.providerId ?? undefined },
      queuedAt: delivery.status === 'queued' ? delivery.updatedAt : null,
    });
    if (failure?.means === 'bad_number') await this.badNumbers.remember(phoneNumber, way, failure);
    // An older message may have gone another way than the newest.
    if (status === 'delivered' && send === before.sends) await this.badNumbers.forget(phoneNumber, way);
    if (failure?.means === 'fraud') await this.sends.suspected(tickets);
    // Last: what comes of a failure before it is found again, by what it leaves queued.
    if (after.sends > before.sends) await this.startNext(change);
  }

  private async startNext({ before, after }: Change): Promise<void> {
    if (after.delivery.fallback !== before.delivery.fallback) {
      this.events.fellBack(wayOf(before), wayOf(after), before.delivery.providerId);
    }
    await this.start(after);
  }

  /** What can be done about a message that did not arrive; the message that it takes has its place already. */
  private async remedyFor(verification: Verification, cure: Cure): Promise<Remedy | null> {
    const { delivery, phoneNumber } = verification;
    const remedy = isWorthAMessage(verification) ? this.remedyOf(verification, cure) : null;
    if (remedy === null || (remedy.kind === 'fallback' && delivery.fallback !== 'open')) return null;
    return (await this.sends.admitFallback(phoneNumber, verification)) ? remedy : null;
  }

  private remedyOf(verification: Verification, cure: Cure): Remedy | null {
    if (cure === 'same_again' && !verification.delivery.retried) return { kind: 'same_again' };
    const asked = cure === 'same_again' ? 'another_route' : cure;
    const route = nextRoute(this.options.fallback, this.senders, wayOf(verification), asked);
    return route && { kind: 'fallback', ...route };
  }

  private async startLost(): Promise<void> {
    for (const { id, send } of await this.verifications.unsent(LOST_AFTER_MS, MOST_AT_ONCE)) {
      await this.start({ id, sends: send });
    }
  }

  private async fallBackOverdue(): Promise<void> {
    const { waitMs } = this.options.fallback as FallbackConfig;
    const overdue = await this.verifications.overdue(waitMs, MOST_AT_ONCE);
    const looks = overdue.map((id) => this.fallBackAfter(id, waitMs, 'another_route'));
    // To the last one, whatever became of the others: a shutdown waits for this look.
    const failed = (await Promise.allSettled(looks)).find((look) => look.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/** Whether whoever gets one more message with the code can still use it. */
export function isWorthAMessage({ status, expiresAt }: Verification): boolean {
  return status === 'pending' && expiresAt.getTime() - Date.now() > TOO_SHORT_TO_SEND_MS;
}

/** Of a verification that is gone nobody needs to know anything. */
function nullWhenGone(error: unknown): null {
  if (error instanceof NotFound) return null;
  throw error;
}

/** The way that the newest message takes. */
export function wayOf({ channel, delivery }: Verification): SenderRoute {
  return { channel: channel as Channel, sender: delivery.sender as SenderName };
}
