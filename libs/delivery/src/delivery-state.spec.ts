import fc from 'fast-check';
import type { Failure } from '#messaging';
import type { Delivery, Verification } from '#otp';
import {
  afterReplacement,
  afterReport,
  isOverdue,
  isOvertaken,
  type NumberedReport,
  type Replacement,
} from './delivery-state.js';

const NOW = new Date('2026-01-01T12:00:00Z');

/** The second message replaced the first. */
const FELL_BACK = { fallback: 'used', firstMessage: 1 } as const;

const UNREACHABLE: Failure = { code: '30003', reason: 'unreachable', recovery: 'another_channel' };
const SMS = { channel: 'sms', provider: 'twilio' } as const;
const WHATSAPP = { channel: 'whatsapp', provider: 'twilio' } as const;

type Current = Pick<Verification, 'route' | 'messageCount' | 'delivery'>;

function current(delivery: Partial<Delivery> = {}, messageCount = 1): Current {
  return {
    route: SMS,
    messageCount,
    delivery: {
      status: 'queued',
      reason: null,
      providerId: null,
      firstMessage: 1,
      retried: false,
      fallback: 'none',
      requestedAt: NOW,
      updatedAt: NOW,
      version: 1,
      ...delivery,
    },
  };
}

/** Returns the state after all reports in this order. */
function outcome(reports: NumberedReport[], start = current()) {
  let now = start;
  for (const report of reports) {
    const change = afterReport(now, report, null);
    if (!change) continue;
    const { route, addsMessage: _, ...delivery } = change;
    now = { ...now, route, delivery: { ...now.delivery, ...delivery } };
  }
  return now.delivery;
}

describe('delivery state', () => {
  type Status = Delivery['status'];

  it.each<[now: Status, reported: NumberedReport['status'], then: Status]>([
    ['queued', 'accepted', 'accepted'],
    ['queued', 'delivered', 'delivered'],
    ['queued', 'failed', 'failed'],
    ['accepted', 'sent', 'sent'],
    ['accepted', 'accepted', 'accepted'],
    ['sent', 'accepted', 'sent'],
    ['sent', 'delivered', 'delivered'],
    ['sent', 'undelivered', 'undelivered'],
    ['undelivered', 'sent', 'undelivered'],
    ['failed', 'sent', 'failed'],
    ['failed', 'delivered', 'delivered'],
    ['undelivered', 'delivered', 'delivered'],
    ['delivered', 'undelivered', 'delivered'],
    ['delivered', 'failed', 'delivered'],
    ['delivered', 'sent', 'delivered'],
  ])('changes from %s after the report "%s" to %s', (status, reported, then) => {
    expect(outcome([{ messageNumber: 1, status: reported }], current({ status })).status).toBe(then);
  });

  it('is the same after any order and any repetition of reports', () => {
    const complete: NumberedReport['status'][][] = [
      ['accepted', 'sent', 'delivered'],
      ['accepted', 'sent', 'undelivered'],
      ['accepted', 'failed'],
      ['accepted', 'sent'],
      // A message whose outcome was unknown was sent twice, and one of the two arrived.
      ['accepted', 'sent', 'failed', 'undelivered', 'delivered'],
    ];
    const shuffles = fc
      .constantFrom(...complete)
      .chain((statuses) => fc.tuple(fc.constant(statuses), fc.shuffledSubarray([...statuses, ...statuses])))
      .map(([statuses, more]) => ({ end: statuses.at(-1), statuses: [...more, ...statuses] }))
      .chain(({ end, statuses }) =>
        fc.record({
          end: fc.constant(end),
          statuses: fc.shuffledSubarray(statuses, { minLength: statuses.length }),
        }),
      );
    fc.assert(
      fc.property(shuffles, ({ end, statuses }) => {
        expect(outcome(statuses.map((status) => ({ messageNumber: 1, status }))).status).toBe(end);
      }),
      { numRuns: 10_000 },
    );
  });

  it('has a reason only while it is a failure', () => {
    const failed = outcome([
      { messageNumber: 1, status: 'undelivered', failure: UNREACHABLE, providerId: 'SM1' },
    ]);
    expect(failed).toMatchObject({ reason: 'unreachable', providerId: 'SM1' });
    const arrived = outcome([{ messageNumber: 1, status: 'delivered' }], current(failed));
    expect(arrived).toMatchObject({ status: 'delivered', reason: null, providerId: 'SM1' });
  });

  it.each<[string, report: NumberedReport, changes: boolean]>([
    ['changes when a replaced message arrives', { messageNumber: 1, status: 'delivered' }, true],
    ['stays when a replaced message is sent', { messageNumber: 1, status: 'sent' }, false],
    ['stays when a replaced message fails', { messageNumber: 1, status: 'failed' }, false],
    ['stays when an unknown message arrives', { messageNumber: 3, status: 'delivered' }, false],
  ])('%s (%j)', (_, report, changes) => {
    const change = afterReport(current(FELL_BACK, 2), report, null);
    expect(change !== null).toBe(changes);
  });

  it('ignores messages before the newest one that the client requested', () => {
    const report = { messageNumber: 1, status: 'delivered' } as const;
    expect(afterReport(current({ firstMessage: 2 }, 2), report, null)).toBeNull();
  });

  describe('after a failure', () => {
    const failed: NumberedReport = {
      messageNumber: 1,
      status: 'failed',
      failure: UNREACHABLE,
      providerId: 'SM1',
    };
    const fallback: Replacement = { kind: 'fallback', route: WHATSAPP };
    const retry: Replacement = { kind: 'retry' };

    it('queues a replacement by the same route or another', () => {
      const sent = current({ status: 'sent', fallback: 'open', providerId: 'SM1' });
      const queued = { status: 'queued', reason: null, providerId: null, addsMessage: true };
      expect(afterReport(sent, failed, fallback)).toEqual({
        ...{ ...queued, route: WHATSAPP, retried: false, fallback: 'used' },
      });
      expect(afterReport(sent, failed, retry)).toEqual({
        ...{ ...queued, route: SMS, retried: true, fallback: 'open' },
      });
    });

    it('allows each kind of replacement once', () => {
      for (const [delivery, replacement] of [
        [{ fallback: 'used' }, fallback],
        [{ fallback: 'none' }, fallback],
        [{ retried: true }, retry],
      ] as const) {
        const change = afterReport(current({ status: 'sent', ...delivery }), failed, replacement);
        expect(change).toMatchObject({ status: 'failed', addsMessage: false });
      }
    });

    it('needs no replacement unless the failure changes the state', () => {
      const sent = afterReport(current(), { messageNumber: 1, status: 'sent' }, fallback);
      expect(sent).toMatchObject({ addsMessage: false });
      expect(afterReport(current({ status: 'delivered' }), failed, fallback)).toBeNull();
      expect(afterReport(current({ status: 'failed' }), failed, fallback)).toBeNull();
    });
  });

  it.each<[delivery: Partial<Delivery>, afterMs: number, isOverdue: boolean]>([
    [{ status: 'accepted', fallback: 'open' }, 20_000, true],
    [{ status: 'queued', fallback: 'open' }, 20_000, true],
    [{ status: 'accepted', fallback: 'open' }, 19_999, false],
    [{ status: 'sent', fallback: 'open' }, 20_000, false],
    [{ status: 'delivered', fallback: 'open' }, 20_000, false],
    [{ status: 'failed', fallback: 'open' }, 20_000, false],
    [{ status: 'accepted', fallback: 'used' }, 20_000, false],
    [{ status: 'accepted', fallback: 'none' }, 20_000, false],
  ])('%j is overdue after %d ms: %s', (delivery, afterMs, expected) => {
    expect(isOverdue(current(delivery).delivery, 20_000, new Date(NOW.getTime() + afterMs))).toBe(expected);
  });

  it.each<[Partial<Delivery>, messageCount: number, message: number, boolean]>([
    [{ status: 'queued' }, 2, 1, true],
    [{ status: 'sent', providerId: 'SM2' }, 2, 1, true],
    [{ status: 'delivered', providerId: null }, 2, 2, true],
    [{ status: 'delivered', providerId: 'SM2' }, 2, 2, false],
    [{ status: 'accepted', providerId: 'SM1' }, 1, 1, false],
    [{ status: 'failed', providerId: null }, 1, 1, false],
  ])('%j after %d messages has overtaken message %d: %s', (delivery, messageCount, message, expected) => {
    expect(isOvertaken(current(delivery, messageCount), message)).toBe(expected);
  });

  it('uses its fallback up', () => {
    const replacement: Replacement = { kind: 'fallback', route: WHATSAPP };
    expect(afterReplacement(current({ fallback: 'open' }), replacement)).toMatchObject({
      fallback: 'used',
      route: WHATSAPP,
    });
  });
});
