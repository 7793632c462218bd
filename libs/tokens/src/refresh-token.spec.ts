import { randomBytes } from 'node:crypto';
import { Keys, nameSecret } from '#keys';
import { decideRefresh, type RefreshDecision, RefreshTokens } from './refresh-token.js';
import { isTokenSecret } from './token.js';

it.each<[usedMsAgo: number | null, windowMs: number, decision: RefreshDecision]>([
  [null, 30_000, 'rotate'],
  [null, 0, 'rotate'],
  [0, 30_000, 'repeat'],
  [29_999, 30_000, 'repeat'],
  [30_000, 30_000, 'reuse'],
  [86_400_000, 30_000, 'reuse'],
  [0, 0, 'reuse'],
])('a refresh token used %p ms ago, with a window of %p ms: %s', (usedMsAgo, windowMs, decision) => {
  expect(decideRefresh(usedMsAgo, windowMs)).toBe(decision);
});

describe('RefreshTokens', () => {
  const dataKey = randomBytes(32);
  const keysOf = (data: Buffer, secret = 'a secret that is long enough for a test') =>
    new Keys(data, nameSecret(secret));
  const tokens = new RefreshTokens(keysOf(dataKey));

  it('derives a different token for each session and generation', () => {
    const secrets = ['a', 'b'].flatMap((session) => [1, 2, 3].map((n) => tokens.secretOf(session, n)));
    expect(new Set(secrets).size).toBe(6);
    expect(secrets.every(isTokenSecret)).toBe(true);
  });

  it('derives the same token in every process, also after SECRET was replaced', () => {
    const elsewhere = new RefreshTokens(keysOf(dataKey, 'another secret that is long enough'));
    expect(elsewhere.secretOf('a', 1)).toBe(tokens.secretOf('a', 1));
  });

  it('derives other tokens in another installation', () => {
    expect(new RefreshTokens(keysOf(randomBytes(32))).secretOf('a', 1)).not.toBe(tokens.secretOf('a', 1));
  });
});
