import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { RateLimited } from '#errors';
import { SharedState } from '../state/shared-state.js';
import { countIn, dropEnded, takePoint, type Windows } from './windows.js';

const AVATARS = { name: 'avatars', points: 10, lengthMs: 86_400_000 };

/** Limits what one account may do. */
@Injectable()
export class AccountLimits {
  constructor(private readonly state: SharedState) {}

  /**
   * Counts one upload of an avatar, valid or not: decoding is what it costs.
   *
   * @throws RateLimited, Unavailable
   */
  async admitAvatar(userId: string): Promise<void> {
    // The state outlives an account that is deleted, so it must not name the user.
    const key = `limits:avatars:${hash('sha256', userId, 'base64url')}`;
    const { name, points, lengthMs } = AVATARS;
    const waitMs = await this.state.decide([key], (draft) => {
      const windows = draft.get<Windows>(key) ?? {};
      const counted = countIn(windows, name, draft.now);
      if (counted.points >= points) return counted.msLeft;
      takePoint(windows, name, lengthMs, draft.now);
      draft.set(key, windows, { ttlMs: dropEnded(windows, draft.now) });
      return null;
    });
    if (waitMs !== null) throw new RateLimited('avatars_per_user', Math.max(1, Math.ceil(waitMs / 1_000)));
  }
}
