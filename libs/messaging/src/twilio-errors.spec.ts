import type { Cure, Failure, FailureReason } from './message-sender.js';
import { failureOfAnswer, failureOfReport } from './twilio-errors.js';

type Row = [code: number, reason: FailureReason, cure: Cure, means: Failure['means']];

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
  [20003, 'provider', 'another_sender', 'outage'],
  [20005, 'provider', 'another_sender', 'outage'],
  [30002, 'provider', 'another_sender', 'outage'],
  [13227, 'provider', 'another_route', 'account'],
  [21210, 'provider', 'another_route', 'account'],
  [21215, 'provider', 'another_route', 'account'],
  [21408, 'provider', 'another_route', 'account'],
  [21606, 'provider', 'another_route', 'account'],
  [21608, 'provider', 'another_sender', 'account'],
  [21609, 'provider', 'another_sender', 'account'],
  [30034, 'provider', 'another_route', 'account'],
  [63007, 'provider', 'another_route', 'account'],
  [63016, 'provider', 'another_channel', 'account'],
  [70051, 'provider', 'another_route', 'account'],
  [30450, 'blocked', 'none', 'fraud'],
  [30453, 'blocked', 'none', 'fraud'],
];

describe('an answer of Twilio', () => {
  it.each(FINAL)('with %d is final: %s, cured by %s, means %s', (code, reason, cure, means) => {
    expect(failureOfAnswer(400, code)).toEqual({ code: String(code), reason, cure, means });
  });

  it.each([20429, 30001, 30008])('with %d may be another one the next time', (code) => {
    expect(failureOfAnswer(400, code)).toEqual({ retry: String(code) });
  });

  it.each<[status: number, code: unknown, retry: string]>([
    [429, 20429, '20429'],
    [429, undefined, 'http_429'],
    [500, 20500, '20500'],
    [502, undefined, 'http_502'],
    [503, '<html>', 'http_503'],
    [503, 20003, '20003'],
  ])('of %d with %s may be another one the next time', (status, code, retry) => {
    expect(failureOfAnswer(status, code)).toEqual({ retry });
  });

  it.each<[status: number, code: unknown, name: string]>([
    [400, 99999, '99999'],
    [404, undefined, 'http_404'],
    [401, '+14155550123', 'http_401'],
    [400, 21211.5, 'http_400'],
    [302, undefined, 'http_302'],
  ])('of %d with %s, which nobody knows, is final and quotes nothing', (status, code, name) => {
    expect(failureOfAnswer(status, code)).toEqual({ code: name, reason: 'provider', cure: 'another_route' });
  });
});

describe('a report of Twilio', () => {
  it.each(FINAL)('with %d: %s, cured by %s, means %s', (code, reason, cure, means) => {
    expect(failureOfReport('failed', String(code))).toEqual({ code: String(code), reason, cure, means });
  });

  it.each(['20429', '30001', '30008'])('with %s asks for the same again', (code) => {
    expect(failureOfReport('undelivered', code)).toEqual({ code, reason: 'provider', cure: 'same_again' });
  });

  it.each<[status: 'undelivered' | 'failed', code: string | undefined, failure: Failure]>([
    ['undelivered', '99999', { code: '99999', reason: 'unreachable', cure: 'another_route' }],
    ['undelivered', undefined, { code: 'undelivered', reason: 'unreachable', cure: 'another_route' }],
    ['failed', '99999', { code: '99999', reason: 'provider', cure: 'another_route' }],
    ['failed', '', { code: 'failed', reason: 'provider', cure: 'another_route' }],
  ])('of %s with %s, which nobody knows, asks for another route', (status, code, failure) => {
    expect(failureOfReport(status, code)).toEqual(failure);
  });
});
