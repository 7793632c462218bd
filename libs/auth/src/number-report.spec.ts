import type { NumberStatus } from '#abuse';
import type { Verification } from '#otp';
import type { PhoneNumber } from '#phone';
import { type NumberFacts, numberReportOf } from './number-report.js';

const AT = new Date('2026-01-01T12:00:00Z');

const STATUS: NumberStatus = {
  ...{ at: AT, country: 'US', line: 'mobile', isCountryAllowed: true, isContested: false },
  ...{ limits: [], blocks: [], monitored: [], isBreakerEnforced: true },
  guessing: { codeLength: 6, guesses: 0, waitMs: 0 },
  spending: {
    ...{ day: '2026-01-01', notServedBy: [] },
    spent: { total: 2_500_000, country: 41_500 },
    caps: { perDay: 100, perCountry: 50 },
  },
};

const VERIFICATION = {
  ...{ id: 'q0b7ZnG2S1mXw9cY4rT5uA', purpose: 'sign_up', status: 'pending', device: null },
  ...{ route: { channel: 'sms', provider: 'twilio' }, messageCount: 1, codeLength: 6, attemptsLeft: 5 },
  ...{ clients: {}, attemptsBy: {}, delivery: {} },
} as unknown as Verification;

function reportOf(status: Partial<NumberStatus>, facts: Partial<NumberFacts> = {}) {
  return numberReportOf({
    ...{ phoneNumber: '+14155550100' as PhoneNumber, numberHash: 'hash', isTestNumber: false },
    ...{ user: null, verifications: [], badRoutes: [], status: { ...STATUS, ...status }, ...facts },
  });
}

describe('numberReportOf', () => {
  it.each([
    [4, [], { reached: false, enforced: true }],
    [5, [], { reached: true, enforced: true }],
    [6, ['sends_per_number'], { reached: true, enforced: false }],
    [5, ['cool_down'], { reached: true, enforced: true }],
  ] as const)(
    'reports a limit of 5 with %d points used while %j are monitored',
    (used, monitored, expected) => {
      const limit = { limit: 'sends_per_number', devices: 'known', used, points: 5, msLeft: 60_000 } as const;
      expect(reportOf({ limits: [limit], monitored }).limits).toEqual([
        {
          ...{ name: 'sends_per_number', devices: 'known', used, points: 5, ...expected },
          resets_at: new Date('2026-01-01T12:01:00Z'),
        },
      ]);
    },
  );

  it.each([
    [0, null],
    [30_000, new Date('2026-01-01T12:00:30Z')],
  ])('reports a wait of %d ms before the next guess', (waitMs, wait_until) => {
    const { guessing } = reportOf({ guessing: { codeLength: 8, guesses: 12, waitMs } });
    expect(guessing).toEqual({ code_length: 8, guesses: 12, wait_until, enforced: true });
  });

  it.each([
    ['of the only client', {}, {}, 5],
    ['of a client that did not guess', { one: {} }, {}, 5],
    ['of the client that has the fewest', { one: {}, two: {} }, { one: 1, two: 3 }, 2],
    ['and none below zero', { one: {} }, { one: 7 }, 0],
  ])('reports the attempts %s', (_what, clients, attemptsBy, expected) => {
    const verification = { ...VERIFICATION, clients, attemptsBy } as Verification;
    const [found] = reportOf({}, { verifications: [verification] }).verifications;
    expect(found).toMatchObject({ reference: 'q0b7ZnG2', attempts_left: expected });
  });

  it('reports money in units, as the caps are configured', () => {
    expect(reportOf({}).spending).toEqual({
      ...{ day: '2026-01-01', not_served_by: [] },
      country: { spent: 0.0415, cap: 50 },
      total: { spent: 2.5, cap: 100 },
    });
  });
});
