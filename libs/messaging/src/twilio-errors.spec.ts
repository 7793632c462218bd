import type { Failure, FailureReason, Recovery } from './message-provider.js';
import { failureOfAnswer, failureOfReport } from './twilio-errors.js';

type Row = [code: number, reason: FailureReason, recovery: Recovery, means: Failure['means']];

const FINAL: Row[] = [
  [21211, 'invalid_number', 'none', 'bad_number'],
  [21214, 'unreachable', 'none', 'bad_number'],
  [21217, 'invalid_number', 'none', 'bad_number'],
  [21268, 'blocked', 'none', 'bad_number'],
  [21610, 'blocked', 'none', 'bad_number'],
  [21612, 'unreachable', 'another_route', 'bad_number'],
  [21614, 'invalid_number', 'another_channel', 'bad_number'],
  [21635, 'unreachable', 'another_channel', 'bad_number'],
  [30004, 'blocked', 'another_channel', 'bad_number'],
  [30005, 'unreachable', 'another_channel', 'bad_number'],
  [30006, 'unreachable', 'another_channel', 'bad_number'],
  [30007, 'blocked', 'another_route', 'bad_number'],
  [63003, 'unreachable', 'another_channel', 'bad_number'],
  [63014, 'blocked', 'none', 'bad_number'],
  [63024, 'unreachable', 'another_channel', 'bad_number'],
  [13224, 'unreachable', 'another_channel', undefined],
  [21216, 'blocked', 'another_channel', undefined],
  [30003, 'unreachable', 'another_channel', undefined],
  [63018, 'provider', 'another_channel', undefined],
  [20003, 'provider', 'another_provider', 'outage'],
  [20005, 'provider', 'another_provider', 'outage'],
  [30002, 'provider', 'another_provider', 'outage'],
  [13227, 'provider', 'another_route', 'account'],
  [21210, 'provider', 'another_route', 'account'],
  [21215, 'provider', 'another_route', 'account'],
  [21408, 'provider', 'another_route', 'account'],
  [21606, 'provider', 'another_route', 'account'],
  [21608, 'provider', 'another_provider', 'account'],
  [21609, 'provider', 'another_provider', 'account'],
  [30034, 'provider', 'another_route', 'account'],
  [63007, 'provider', 'another_route', 'account'],
  [63016, 'provider', 'another_channel', 'account'],
  [70051, 'provider', 'another_route', 'account'],
  [30450, 'blocked', 'none', 'fraud'],
  [30453, 'blocked', 'none', 'fraud'],
];

describe('failureOfAnswer', () => {
  it.each(FINAL)(
    'reads the error code %d as %s, with the recovery %s and the meaning %s',
    (code, reason, recovery, means) => {
      expect(failureOfAnswer(400, code)).toEqual({ code: String(code), reason, recovery, means });
    },
  );

  it.each([20429, 30001, 30008])('reads the error code %d as temporary', (code) => {
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
    'reads the error code %d as %s, with the recovery %s and the meaning %s',
    (code, reason, recovery, means) => {
      expect(failureOfReport('failed', String(code))).toEqual({
        code: String(code),
        reason,
        recovery,
        means,
      });
    },
  );

  it.each(['20429', '30001', '30008'])(
    'recommends a retry of the same route for the error code %s',
    (code) => {
      expect(failureOfReport('undelivered', code)).toEqual({
        code,
        reason: 'provider',
        recovery: 'same_route',
      });
    },
  );

  it.each<[status: 'undelivered' | 'failed', code: string | undefined, failure: Failure]>([
    ['undelivered', '99999', { code: '99999', reason: 'unreachable', recovery: 'another_route' }],
    ['undelivered', undefined, { code: 'undelivered', reason: 'unreachable', recovery: 'another_route' }],
    ['failed', '99999', { code: '99999', reason: 'provider', recovery: 'another_route' }],
    ['failed', '', { code: 'failed', reason: 'provider', recovery: 'another_route' }],
  ])('recommends another route for the status %s with the unknown error code %p', (status, code, failure) => {
    expect(failureOfReport(status, code)).toEqual(failure);
  });
});
