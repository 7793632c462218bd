import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Keys } from '#keys';
import { SECRET_BYTES, secretFrom } from './token.js';

/**
 * The decision on a refresh token. `rotate`: it is used for the first time, and the next one takes its place. `repeat`: its
 * answer may have been lost, or another tab was faster, so it gets the newest token. `reuse`: it was copied.
 */
export type RefreshDecision = 'rotate' | 'repeat' | 'reuse';

/** @param usedMsAgo the time since the first use; null: it was not used. */
export function decideRefresh(usedMsAgo: number | null, reuseWindowMs: number): RefreshDecision {
  if (usedMsAgo === null) return 'rotate';
  // Counted from the first use, so that repeated uses do not extend it.
  return usedMsAgo < reuseWindowMs ? 'repeat' : 'reuse';
}

/**
 * Derives refresh tokens from the data key, the session and their generation. So concurrent refreshes of one token get the
 * same successor, although only its hash is stored.
 */
@Injectable()
export class RefreshTokens {
  private readonly key: Buffer;

  constructor(keys: Keys) {
    this.key = keys.purposeKey('refresh token');
  }

  secretOf(sessionId: string, generation: number): string {
    const mac = createHmac('sha256', this.key).update(`${sessionId}/${generation}`).digest();
    return secretFrom(mac.subarray(0, SECRET_BYTES));
  }
}
