/**
 * Where the newest message with the code is on its way. `accepted`: the provider took it, and will say more. `sent`: it
 * is out, and this may be the last that is heard of it.
 */
export type DeliveryStatus = 'queued' | 'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed';

/** How a code that a person asked for is getting to them. */
export interface Delivery {
  readonly status: DeliveryStatus;
  /** Why it did not arrive; null unless `undelivered` or `failed`. */
  readonly reason: string | null;
  /** Who carries the newest message. */
  readonly sender: string;
  /** The carrier's own name for it, once that is known. */
  readonly providerId: string | null;
  /** The message that the person asked for; those after it were sent in its place. */
  readonly first: number;
  /** Whether it was sent once more the same way. */
  readonly retried: boolean;
  /** Whether another way may be taken: `open`, `used` (once for each verification) or `none`. */
  readonly fallback: 'open' | 'used' | 'none';
  /** When the newest message was asked for: whoever waits for word of it waits from then on. */
  readonly requestedAt: Date;
  readonly updatedAt: Date;
  /** Counts the changes, so that each is made upon what was read. */
  readonly version: number;
}

/** What is heard of one of a verification's messages. Reports come late, twice and in any order. */
export interface DeliveryReport {
  /** The message's number. */
  readonly send: number;
  readonly status: Exclude<DeliveryStatus, 'queued'>;
  readonly reason?: string;
  readonly providerId?: string;
}

/** What is done about a message that did not arrive: the same once more, or another way. */
export type Remedy =
  | { readonly kind: 'same_again' }
  | { readonly kind: 'fallback'; readonly channel: string; readonly sender: string };

/** A delivery's new state. */
export interface DeliveryChange
  extends Pick<Delivery, 'status' | 'reason' | 'sender' | 'providerId' | 'retried' | 'fallback'> {
  readonly channel: string;
  /** Whether one more message is to go out. */
  readonly isNewSend: boolean;
}

/** What a later status may replace; so whatever the order of reports, the same one is left. */
const RANK: Record<DeliveryStatus, number> = {
  queued: 0,
  accepted: 1,
  sent: 2,
  failed: 3,
  undelivered: 4,
  delivered: 5,
};

interface Current {
  readonly channel: string;
  /** The number of the newest message. */
  readonly sends: number;
  readonly delivery: Delivery;
}

/** Whether the report says anything new. Of a message that was replaced only that it arrived after all matters. */
export function isNews({ sends, delivery }: Current, { send, status }: DeliveryReport): boolean {
  if (send < delivery.first || send > sends) return false;
  if (send < sends && status !== 'delivered') return false;
  return RANK[status] > RANK[delivery.status];
}

/** Whether the report says that the message did not arrive. */
export function isFailure({ status }: Pick<DeliveryReport, 'status'>): boolean {
  return status === 'failed' || status === 'undelivered';
}

/**
 * The delivery after a report; null when it says nothing new.
 *
 * @param remedy what is done about a failure, if anything is.
 */
export function afterReport(
  current: Current,
  report: DeliveryReport,
  remedy: Remedy | null,
): DeliveryChange | null {
  if (!isNews(current, report)) return null;
  if (remedy && isFailure(report) && allows(current, remedy)) return afterRemedy(current, remedy);
  const { channel, sends, delivery } = current;
  const providerId = report.send === sends ? (report.providerId ?? delivery.providerId) : delivery.providerId;
  const reason = isFailure(report) ? (report.reason ?? null) : null;
  return { ...changeable(delivery), channel, status: report.status, reason, providerId, isNewSend: false };
}

/** Each remedy is there once; and what was replaced needs none. */
function allows({ delivery }: Current, { kind }: Remedy): boolean {
  return kind === 'same_again' ? !delivery.retried : delivery.fallback === 'open';
}

/** One more message takes the place of the newest. */
export function afterRemedy({ channel, delivery }: Current, remedy: Remedy): DeliveryChange {
  const queued = {
    ...changeable(delivery),
    status: 'queued',
    reason: null,
    providerId: null,
    isNewSend: true,
  } as const;
  if (remedy.kind === 'same_again') return { ...queued, channel, retried: true };
  return { ...queued, channel: remedy.channel, sender: remedy.sender, fallback: 'used' };
}

/** There is no other way: nobody needs to look for one again. */
export function withoutFallback({ channel, delivery }: Current): DeliveryChange {
  return { ...changeable(delivery), channel, fallback: 'none', isNewSend: false };
}

/** Whether it has not been heard that the message is out, and another way may still be taken. */
export function isOverdue({ status, fallback, requestedAt }: Delivery, waitMs: number, now: number): boolean {
  const isOut = RANK[status] >= RANK.sent;
  return !isOut && fallback === 'open' && requestedAt.getTime() + waitMs <= now;
}

function changeable({ status, reason, sender, providerId, retried, fallback }: Delivery) {
  return { status, reason, sender, providerId, retried, fallback };
}
