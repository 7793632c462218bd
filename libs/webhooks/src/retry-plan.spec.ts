import { readConfig } from '#config';
import { codeOf, lifeOf, resultOf, type WebhookAnswer } from './retry-plan.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const WAITS = readConfig({
  WEBHOOK_URL: 'https://app.example/',
  WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`,
}).webhooks?.retryWaitsMs as readonly number[];

const wait = (waitMs: number) => ({ waitMs });
const failed = { status: 500 };

describe('resultOf', () => {
  it.each<[number, number, object | string]>([
    [0, 0.5, wait(5 * SECOND)],
    [1, 0.5, wait(MINUTE)],
    [2, 0.5, wait(5 * MINUTE)],
    [3, 0.5, wait(30 * MINUTE)],
    [4, 0.5, wait(3 * HOUR)],
    [5, 0.5, wait(8 * HOUR)],
    [6, 0.5, wait(12 * HOUR)],
    [7, 0.5, 'given_up'],
    [8, 0.5, 'given_up'],
    [0, 0, wait(4_500)],
    [0, 1, wait(5_500)],
    [6, 1, wait(13.2 * HOUR)],
  ])('after %d tries that failed before, with the random number %d, is %j', (before, random, result) => {
    expect(resultOf(failed, before, WAITS, random)).toEqual(result);
  });

  it.each<[WebhookAnswer, number, object | string]>([
    [{ status: 200 }, 0, 'delivered'],
    [{ status: 204 }, 7, 'delivered'],
    [{ status: 299 }, 0, 'delivered'],
    [{ status: 410 }, 0, 'gone'],
    [{ status: 199 }, 0, wait(5 * SECOND)],
    [{ status: 301 }, 0, wait(5 * SECOND)],
    [{ status: 400 }, 0, wait(5 * SECOND)],
    [{ status: 404 }, 0, wait(5 * SECOND)],
    [{ status: 410, retryAfterMs: 1 }, 0, 'gone'],
    [{ status: 429, retryAfterMs: 90 * SECOND }, 0, wait(90 * SECOND)],
    [{ status: 429, retryAfterMs: 90 * SECOND }, 1, wait(90 * SECOND)],
    [{ status: 503, retryAfterMs: SECOND }, 1, wait(MINUTE)],
    [{ status: 503, retryAfterMs: 1_000 * HOUR }, 0, wait(12 * HOUR)],
    [{ status: 503, retryAfterMs: 0 }, 0, wait(5 * SECOND)],
    [{ status: 503, retryAfterMs: 60 * SECOND }, 7, 'given_up'],
    [{ failure: 'timeout' }, 0, wait(5 * SECOND)],
    [{ failure: 'private_address' }, 7, 'given_up'],
  ])('of %j after %d tries that failed is %j', (answer, before, result) => {
    expect(resultOf(answer, before, WAITS, 0.5)).toEqual(result);
  });
});

describe('lifeOf', () => {
  it('outlasts all waits with their jitter, and is 27 hours by default', () => {
    expect(lifeOf(WAITS) / HOUR).toBeCloseTo(27, 0);
    expect(lifeOf([])).toBe(HOUR);
  });
});

describe('codeOf', () => {
  it.each<[WebhookAnswer, string]>([
    [{ status: 404 }, 'http_404'],
    [{ failure: 'ECONNREFUSED' }, 'ECONNREFUSED'],
  ])('of %j is %s', (answer, code) => {
    expect(codeOf(answer)).toBe(code);
  });
});
