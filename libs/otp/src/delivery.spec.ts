import fc from 'fast-check';
import {
  afterRemedy,
  afterReport,
  type Delivery,
  type DeliveryReport,
  isOverdue,
  type Remedy,
} from './delivery.js';

const NOW = new Date('2026-01-01T12:00:00Z');

/** A second message that took the first one's place. */
const FELL_BACK = { fallback: 'used', first: 1 } as const;

function current(delivery: Partial<Delivery> = {}, sends = 1) {
  return {
    channel: 'sms',
    sends,
    delivery: {
      status: 'queued',
      reason: null,
      sender: 'twilio',
      providerId: null,
      first: 1,
      retried: false,
      fallback: 'none',
      requestedAt: NOW,
      updatedAt: NOW,
      version: 1,
      ...delivery,
    } as Delivery,
  };
}

/** What is left after all reports in this order. */
function outcome(reports: DeliveryReport[], start = current()) {
  let now = start;
  for (const report of reports) {
    const change = afterReport(now, report, null);
    if (change) now = { ...now, delivery: { ...now.delivery, ...change } };
  }
  return now.delivery;
}

describe('The delivery of a message', () => {
  type Status = Delivery['status'];

  it.each<[now: Status, heard: DeliveryReport['status'], then: Status]>([
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
  ])('that is %s and of which "%s" is heard is %s', (status, heard, then) => {
    expect(outcome([{ send: 1, status: heard }], current({ status })).status).toBe(then);
  });

  it('ends the same in whatever order its reports come, and however often', () => {
    const complete: DeliveryReport['status'][][] = [
      ['accepted', 'sent', 'delivered'],
      ['accepted', 'sent', 'undelivered'],
      ['accepted', 'failed'],
      ['accepted', 'sent'],
      // A message whose fate was unknown was sent twice, and one of the two arrived.
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
        expect(outcome(statuses.map((status) => ({ send: 1, status }))).status).toBe(end);
      }),
      { numRuns: 10_000 },
    );
  });

  it('says why it failed, only while it has', () => {
    const failed = outcome([{ send: 1, status: 'undelivered', reason: 'unreachable', providerId: 'SM1' }]);
    expect(failed).toMatchObject({ reason: 'unreachable', providerId: 'SM1' });
    const arrived = outcome([{ send: 1, status: 'delivered' }], current(failed));
    expect(arrived).toMatchObject({ status: 'delivered', reason: null, providerId: 'SM1' });
  });

  it.each<[what: string, report: DeliveryReport, isNews: boolean]>([
    ['a message that was replaced arrived after all', { send: 1, status: 'delivered' }, true],
    ['a message that was replaced went out', { send: 1, status: 'sent' }, false],
    ['a message that was replaced failed too', { send: 1, status: 'failed' }, false],
    ['a message that there never was arrived', { send: 3, status: 'delivered' }, false],
  ])('after a fallback takes this down: %s (%j)', (_, report, isNews) => {
    const change = afterReport(current(FELL_BACK, 2), report, null);
    expect(change !== null).toBe(isNews);
  });

  it('is that of the newest message that the person asked for', () => {
    expect(afterReport(current({ first: 2 }, 2), { send: 1, status: 'delivered' }, null)).toBeNull();
  });

  describe('that failed', () => {
    const failed: DeliveryReport = { send: 1, status: 'failed', reason: 'provider', providerId: 'SM1' };
    const whatsapp: Remedy = { kind: 'fallback', channel: 'whatsapp', sender: 'twilio' };

    it('goes out once more, the same way or another one', () => {
      const sent = current({ status: 'sent', fallback: 'open', providerId: 'SM1' });
      expect(afterReport(sent, failed, whatsapp)).toEqual({
        ...{ status: 'queued', reason: null, providerId: null, isNewSend: true },
        ...{ channel: 'whatsapp', sender: 'twilio', retried: false, fallback: 'used' },
      });
      expect(afterReport(sent, failed, { kind: 'same_again' })).toEqual({
        ...{ status: 'queued', reason: null, providerId: null, isNewSend: true },
        ...{ channel: 'sms', sender: 'twilio', retried: true, fallback: 'open' },
      });
    });

    it('goes out no second time by the same remedy', () => {
      const again: Remedy = { kind: 'same_again' };
      for (const [delivery, remedy] of [
        [{ fallback: 'used' }, whatsapp],
        [{ fallback: 'none' }, whatsapp],
        [{ retried: true }, again],
      ] as const) {
        const change = afterReport(current({ status: 'sent', ...delivery }), failed, remedy);
        expect(change).toMatchObject({ status: 'failed', isNewSend: false });
      }
    });

    it('does nothing about what is no failure, or no news', () => {
      expect(afterReport(current(), { send: 1, status: 'sent' }, whatsapp)).toMatchObject({
        isNewSend: false,
      });
      expect(afterReport(current({ status: 'delivered' }), failed, whatsapp)).toBeNull();
      expect(afterReport(current({ status: 'failed' }), failed, whatsapp)).toBeNull();
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
  ])('%j is after %d ms overdue: %s', (delivery, afterMs, expected) => {
    expect(isOverdue(current(delivery).delivery, 20_000, NOW.getTime() + afterMs)).toBe(expected);
  });

  it('falls back once', () => {
    const remedy: Remedy = { kind: 'fallback', channel: 'call', sender: 'twilio' };
    expect(afterRemedy(current({ fallback: 'open' }), remedy)).toMatchObject({
      fallback: 'used',
      channel: 'call',
    });
  });
});
