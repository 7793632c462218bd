import type { Route } from '#config';
import type { DeliveryReport } from '#messaging';
import type { Delivery, DeliveryChange, DeliveryStatus, Verification } from '#otp';

/** A message that replaces one that did not arrive: a retry of the same route, or a fallback to another. */
export type Replacement = { readonly kind: 'retry' } | { readonly kind: 'fallback'; readonly route: Route };

/** The part of a verification that its delivery state consists of. */
type Current = Pick<Verification, 'route' | 'messageCount' | 'delivery'>;

/** A report and the message that it belongs to. */
export interface NumberedReport extends DeliveryReport {
  readonly messageNumber: number;
  /** The message's own route. Default: the verification's, which is that of the newest message. */
  readonly route?: Route;
}

/** A report may only raise the rank. So the same state results from any order of reports. */
const RANK: Record<DeliveryStatus, number> = {
  queued: 0,
  accepted: 1,
  sent: 2,
  failed: 3,
  undelivered: 4,
  delivered: 5,
};

/** Returns whether the report changes the state. Of a replaced message, only a late arrival does. */
export function isNews(
  { messageCount, delivery }: Current,
  { messageNumber, status }: NumberedReport,
): boolean {
  if (messageNumber < delivery.firstMessage || messageNumber > messageCount) return false;
  if (messageNumber < messageCount && status !== 'delivered') return false;
  return RANK[status] > RANK[delivery.status];
}

/** Returns whether the report says that the message did not arrive. */
export function isFailure({ status }: Pick<DeliveryReport, 'status'>): boolean {
  return status === 'failed' || status === 'undelivered';
}

/**
 * Returns the state after a report; null when the report changes nothing.
 *
 * @param replacement the message that replaces a failed one; null for none.
 */
export function afterReport(
  current: Current,
  report: NumberedReport,
  replacement: Replacement | null,
): DeliveryChange | null {
  if (!isNews(current, report)) return null;
  if (replacement && isFailure(report) && allows(current, replacement))
    return afterReplacement(current, replacement);
  const { route, messageCount, delivery } = current;
  const isNewest = report.messageNumber === messageCount;
  const providerId = (isNewest ? report.providerId : undefined) ?? delivery.providerId;
  const reason = isFailure(report) ? (report.failure?.reason ?? null) : null;
  return { route, addsMessage: false, ...changeable(delivery), status: report.status, reason, providerId };
}

/** Returns the state after one more message replaced the newest. */
export function afterReplacement({ route, delivery }: Current, replacement: Replacement): DeliveryChange {
  const queued = { status: 'queued', reason: null, providerId: null, addsMessage: true } as const;
  if (replacement.kind === 'retry') return { ...changeable(delivery), ...queued, route, retried: true };
  return { ...changeable(delivery), ...queued, route: replacement.route, fallback: 'used' };
}

/** Returns the state without a fallback, so that the verification is not checked for one again. */
export function withoutFallback({ route, delivery }: Current): DeliveryChange {
  return { ...changeable(delivery), route, fallback: 'none', addsMessage: false };
}

/** Returns whether no report says that the message is sent, the wait is over, and a fallback is still possible. */
export function isOverdue({ status, fallback, requestedAt }: Delivery, waitMs: number, now: Date): boolean {
  return RANK[status] < RANK.sent && fallback === 'open' && requestedAt.getTime() + waitMs <= now.getTime();
}

/**
 * Returns whether a queued message lost its turn: a newer one replaced it, or an older one arrived. A message that was
 * sent has a provider's id.
 */
export function isOvertaken({ messageCount, delivery }: Current, messageNumber: number): boolean {
  return messageNumber < messageCount || (delivery.status === 'delivered' && delivery.providerId === null);
}

/** Each kind of replacement is possible once, and a replaced message needs none. */
function allows({ delivery }: Current, { kind }: Replacement): boolean {
  return kind === 'retry' ? !delivery.retried : delivery.fallback === 'open';
}

function changeable({ status, reason, providerId, retried, fallback }: Delivery) {
  return { status, reason, providerId, retried, fallback };
}
