import { Injectable } from '@nestjs/common';
import { Database } from '#postgres';
import type { Scope } from './token.js';
import { LONGEST_COPY_MS, TokenCache } from './token-cache.js';

export abstract class TokenPolicy {
  /** Lifetime of a token. */
  abstract readonly ttlMs: number;
}

/** Expired rather than deleted, so that a repeated call finds them again if their copies could not be deleted. */
const REVOKE_OF_USER = {
  name: 'tokens-revoke-of-user',
  text: `update tokens set expires_at = least(expires_at, now()) where user_id = $1 and scope = $2 returning hash`,
};
const OF_USER = { name: 'tokens-of-user', text: 'select hash from tokens where user_id = $1' };

/** Expired tokens are kept while a process may have a copy of them. */
const PURGE = {
  name: 'tokens-purge',
  text: `delete from tokens where expires_at <= now() - $1 * interval '1 millisecond'`,
};

interface Row {
  readonly hash: Buffer;
}

/** Ends tokens. They are created and found together with their user: see `SessionsRepository`. */
@Injectable()
export class TokensRepository {
  constructor(
    private readonly database: Database,
    private readonly cache: TokenCache,
  ) {}

  /**
   * Ends every session of the user in this scope. When it resolves, no process accepts them any more.
   *
   * @throws Unavailable when that is not certain. Repeating the call is safe.
   */
  async revokeAllForUser(scope: Scope, userId: string): Promise<void> {
    const revoked = await this.database.run<Row>(REVOKE_OF_USER, [userId, scope]);
    // After the change: a look-up that begins now finds nothing to cache.
    await this.cache.forget(revoked.map(({ hash }) => hash));
  }

  /**
   * Makes every process read the user again. Call it after a change of the user is committed.
   *
   * @throws Unavailable when a process may still answer with the user from before, for up to a minute.
   */
  async forgetCopiesOf(userId: string): Promise<void> {
    const held = await this.database.run<Row>(OF_USER, [userId]);
    await this.cache.forget(held.map(({ hash }) => hash));
  }

  /** Deletes expired tokens, by the clock of Postgres. */
  async purge(): Promise<void> {
    await this.database.run(PURGE, [LONGEST_COPY_MS]);
  }
}
