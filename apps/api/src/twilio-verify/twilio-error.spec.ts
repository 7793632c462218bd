import type { Problem } from '../http/problem.js';
import { answersAsTwilio, twilioErrorOf } from './twilio-error.js';

const problem = (code: Problem['code'], extensions = {}): Problem => ({
  code,
  detail: 'the detail',
  extensions,
});

describe('twilioErrorOf', () => {
  it.each<[problem: Problem, status: number, code: number]>([
    [problem('invalid_request'), 400, 60200],
    [problem('invalid_client'), 401, 20003],
    [problem('not_found'), 404, 20404],
    [problem('verification_closed', { verification_status: 'approved' }), 404, 20404],
    [problem('verification_closed', { verification_status: 'expired' }), 404, 20404],
    [problem('verification_closed', { verification_status: 'max_attempts_reached' }), 429, 60202],
    [problem('rate_limited', { limit: 'cool_down' }), 429, 60203],
    [problem('rate_limited', { limit: 'sends_per_client' }), 429, 60203],
    [problem('rate_limited', { limit: 'checks_per_client' }), 429, 20429],
    [problem('rate_limited', { limit: 'guesses_per_number' }), 429, 20429],
    [problem('sends_suspended'), 403, 60410],
    [problem('proof_of_work_required', { challenge: {} }), 403, 60410],
    [problem('phone_number_not_allowed'), 403, 60605],
    [problem('payload_too_large'), 413, 20413],
    [problem('method_not_allowed'), 405, 20405],
    [problem('internal_error'), 500, 20500],
    [problem('unavailable'), 503, 20503],
  ])('maps %j to status %d and code %d', (given, status, code) => {
    const error = twilioErrorOf(given, 'https://id.example.org');
    expect(error).toEqual({
      ...{ status, code, message: expect.stringMatching(/./) },
      more_info: `https://id.example.org/problems/${given.code}`,
    });
  });

  it('names the rule that a parameter breaks', () => {
    const errors = [{ pointer: '/phone_number', detail: 'must be a number' }];
    const { message } = twilioErrorOf(problem('invalid_request', { errors }), 'https://id.example.org');
    expect(message).toBe('Invalid parameter: the detail: must be a number');
  });
});

describe('answersAsTwilio', () => {
  it.each([
    ['/v2/Services/:service/Verifications', true],
    ['/v2/Services/VA00/Unknown', true],
    ['/v2/Services', true],
    ['/v2/services/VA00', false],
    ['/v1/verifications', false],
  ])('answers for %s: %s', (path, is) => {
    expect(answersAsTwilio(path)).toBe(is);
  });
});
