import type { Failure, FailureReason, Recovery } from './message-provider.js';
import { failureOfAnswer, failureOfReport } from './twilio-errors.js';

type Row = [
  code: number,
  reason: FailureReason,
  recovery: Recovery,
  means?: Failure['means'],
  badForMinutes?: number,
];

const NOTHING = undefined;
const A_DAY = 1_440;

const ROWS: Row[] = [
  [21211, 'invalid_number', 'none', NOTHING, A_DAY],
  [21217, 'invalid_number', 'none', NOTHING, A_DAY],
  [21265, 'invalid_number', 'none', NOTHING, A_DAY],
  [21268, 'blocked', 'none', NOTHING, A_DAY],
  [21614, 'invalid_number', 'another_channel', NOTHING, A_DAY],
  [21635, 'unreachable', 'another_channel', NOTHING, A_DAY],
  [30005, 'unreachable', 'another_channel', NOTHING, A_DAY],
  [30006, 'unreachable', 'another_channel', NOTHING, A_DAY],
  [21214, 'unreachable', 'none', NOTHING, 15],
  [21610, 'blocked', 'none', NOTHING, 15],
  [30004, 'blocked', 'another_channel', NOTHING, 15],
  [30007, 'blocked', 'another_route', NOTHING, 15],
  [63003, 'unreachable', 'another_channel', NOTHING, 15],
  [63014, 'blocked', 'none', NOTHING, 15],
  [63024, 'unreachable', 'another_channel', NOTHING, 15],
  [30003, 'unreachable', 'another_channel', NOTHING, 2],
  [13224, 'unreachable', 'another_channel'],
  [21216, 'blocked', 'another_channel'],
  [21266, 'invalid_number', 'none'],
  [30036, 'provider', 'another_route'],
  [30038, 'provider', 'another_channel'],
  [63005, 'provider', 'another_channel'],
  [63018, 'provider', 'another_channel'],
  [20003, 'provider', 'another_provider', 'outage'],
  [20005, 'provider', 'another_provider', 'outage'],
  [30002, 'provider', 'another_provider', 'outage'],
  [13227, 'provider', 'another_route', 'country'],
  [21210, 'provider', 'another_route', 'account'],
  [21212, 'provider', 'another_route', 'account'],
  [21215, 'provider', 'another_route', 'country'],
  [21408, 'provider', 'another_route', 'country'],
  [21603, 'provider', 'another_route', 'account'],
  [21606, 'provider', 'another_route', 'account'],
  [21608, 'provider', 'another_provider', 'account'],
  [21609, 'provider', 'another_provider', 'account'],
  [21612, 'provider', 'another_route', 'account'],
  [21655, 'provider', 'another_channel', 'account'],
  [21656, 'provider', 'another_channel', 'account'],
  [21659, 'provider', 'another_route', 'account'],
  [21660, 'provider', 'another_route', 'account'],
  [21661, 'provider', 'another_route', 'account'],
  [30010, 'provider', 'another_route', 'account'],
  [30023, 'provider', 'another_route', 'account'],
  [30024, 'provider', 'another_route', 'account'],
  [30027, 'provider', 'another_route', 'account'],
  [30032, 'provider', 'another_route', 'account'],
  [30033, 'provider', 'another_route', 'account'],
  [30034, 'provider', 'another_route', 'account'],
  [63007, 'provider', 'another_route', 'account'],
  [63013, 'provider', 'another_channel', 'account'],
  [63016, 'provider', 'another_channel', 'account'],
  [63027, 'provider', 'another_channel', 'account'],
  [63028, 'provider', 'another_channel', 'account'],
  [63051, 'provider', 'another_channel', 'account'],
  [70051, 'provider', 'another_route', 'account'],
  [30450, 'blocked', 'none', 'fraud'],
  [30453, 'blocked', 'none', 'fraud'],
];

/** Every row at its full length: Jest would pass a callback in place of a missing argument. */
const FINAL = ROWS.map(([code, reason, recovery, means, badForMinutes]) => {
  return [code, reason, recovery, means, badForMinutes] as const;
});

const TEMPORARY = [20429, 21611, 21730, 30001, 30008, 30017, 30021, 30022, 30410, 63010, 63012];

describe('failureOfAnswer', () => {
  it.each(FINAL)(
    'reads the error code %d as %s, with the recovery %s, the meaning %s and a bad number for %s min',
    (code, reason, recovery, means, badForMinutes) => {
      expect(failureOfAnswer(400, code)).toEqual({
        code: String(code),
        reason,
        recovery,
        means,
        badForMinutes,
      });
    },
  );

  it.each(TEMPORARY)('reads the error code %d as temporary', (code) => {
    expect(failureOfAnswer(400, code)).toEqual({ retry: String(code) });
  });

  it.each<[status: number, code: unknown, retry: string]>([
    [429, 20429, '20429'],
    [429, undefined, 'http_429'],
    [500, 20500, '20500'],
    [502, undefined, 'http_502'],
    [503, '<html>', 'http_503'],
    [503, 20003, '20003'],
  ])('reads HTTP %d with the error code %s as temporary', (status, code, retry) => {
    expect(failureOfAnswer(status, code)).toEqual({ retry });
  });

  it.each<[status: number, code: unknown, name: string]>([
    [400, 99999, '99999'],
    [404, undefined, 'http_404'],
    [401, '+14155550123', 'http_401'],
    [400, 21211.5, 'http_400'],
    [302, undefined, 'http_302'],
  ])(
    'reads HTTP %d with the unknown error code %s as final and does not quote the answer',
    (status, code, name) => {
      expect(failureOfAnswer(status, code)).toEqual({
        code: name,
        reason: 'provider',
        recovery: 'another_route',
      });
    },
  );
});

describe('failureOfReport', () => {
  it.each(FINAL)(
    'reads the error code %d as %s, with the recovery %s, the meaning %s and a bad number for %s min',
    (code, reason, recovery, means, badForMinutes) => {
      const { isFree: _, ...failure } = failureOfReport('failed', String(code));
      expect(failure).toEqual({
        code: String(code),
        reason,
        recovery,
        means,
        badForMinutes,
      });
    },
  );

  it.each<['failed' | 'undelivered', string | undefined, true | undefined]>([
    ['failed', '21408', true],
    ['failed', '13227', true],
    ['failed', '20429', true],
    ['failed', '21999', true],
    ['failed', '30003', undefined],
    ['failed', '63016', undefined],
    ['failed', undefined, undefined],
    ['undelivered', '21610', undefined],
  ])('knows that the status %s with the error code %s costs nothing: %s', (status, code, isFree) => {
    expect(failureOfReport(status, code).isFree).toBe(isFree);
  });

  it.each(TEMPORARY.map(String))('recommends a retry of the same route for the error code %s', (code) => {
    expect(failureOfReport('undelivered', code)).toEqual({
      code,
      reason: 'provider',
      recovery: 'same_route',
    });
  });

  it.each<[status: 'undelivered' | 'failed', code: string | undefined, failure: Failure]>([
    ['undelivered', '99999', { code: '99999', reason: 'unreachable', recovery: 'another_route' }],
    ['undelivered', undefined, { code: 'undelivered', reason: 'unreachable', recovery: 'another_route' }],
    ['failed', '99999', { code: '99999', reason: 'provider', recovery: 'another_route' }],
    ['failed', '', { code: 'failed', reason: 'provider', recovery: 'another_route' }],
  ])('recommends another route for the status %s with the unknown error code %p', (status, code, failure) => {
    expect(failureOfReport(status, code)).toEqual(failure);
  });
});
