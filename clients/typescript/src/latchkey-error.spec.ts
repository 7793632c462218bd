import { errorOf, type Problem } from './latchkey-error.js';

const PROBLEM: Problem = {
  ...{ type: 'https://id.example.com/problems/rate_limited', title: 'Too many requests', status: 429 },
  ...{ detail: 'try again in 27 s', instance: '0197f0c4', code: 'rate_limited' },
};

const answer = (status: number, headers = {}) => new Response('', { status, headers });

describe('An error', () => {
  it('has the members of the problem', () => {
    const problem = { ...PROBLEM, limit: 'cool_down', retry_after: 27 };
    expect(errorOf(answer(429, { 'Retry-After': '30' }), problem)).toMatchObject({
      ...{ code: 'rate_limited', status: 429, detail: 'try again in 27 s', retryAfter: 27, problem },
    });
  });

  it('reads Retry-After where the problem does not have it', () => {
    const problem: Problem = { ...PROBLEM, code: 'unavailable', status: 503 };
    expect(errorOf(answer(503, { 'Retry-After': '2' }), problem).retryAfter).toBe(2);
    expect(errorOf(answer(503), problem).retryAfter).toBeNull();
  });

  it.each([undefined, '', '<html>Bad Gateway</html>', null, 7, {}, { error: 'x' }, { code: 1, detail: 2 }])(
    'calls %j an unexpected answer',
    (body) => {
      expect(errorOf(answer(502), body)).toMatchObject({
        ...{ code: 'unexpected_answer', status: 502, retryAfter: null, problem: null },
      });
    },
  );
});
