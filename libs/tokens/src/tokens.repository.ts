import { Injectable } from '@nestjs/common';
import { Database, deleteExpired } from '#postgres';
import { hashOf, isTokenSecret } from './token.js';
import { LONGEST_COPY_MS, TokenCache } from './token-cache.js';

/** A process may have a copy of a token that has expired since. */
const OF_USER = {
  name: 'tokens-of-user',
  text: `select hash from tokens where user_id = $1 and expires_at > now() - $2 * interval '1 millisecond'`,
};

const FIND_VALID = {
  name: 'token-introspect',
  text: `
    select user_id as "userId", session_id as "sessionId", scope, created_at as "createdAt", expires_at as "expiresAt"
      from tokens where hash = $1 and expires_at > now()`,
};

/** A valid token, as another service may know it. */
export interface Introspection {
  readonly userId: string;
  /** Null for a token from before there were sessions. */
  readonly sessionId: string | null;
  readonly scope: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

interface Row {
  readonly hash: Buffer;
}

/** Tokens as rows. They are created and found together with their user: see `SessionsRepository` in libs/auth. */
@Injectable()
export class TokensRepository {
  constructor(
    private readonly database: Database,
    private readonly cache: TokenCache,
  ) {}

  /**
   * Returns null for a token that is malformed, unknown, expired or revoked. Reads Postgres, not a copy.
   *
   * @throws Unavailable
   */
  async introspect(secret: string): Promise<Introspection | null> {
    if (!isTokenSecret(secret)) return null;
    const [found] = await this.database.run<Introspection>(FIND_VALID, [hashOf(secret)]);
    return found ?? null;
  }

  /**
   * Makes every process read the user again. Call it after a change of the user is committed.
   *
   * @throws Unavailable when a process may still answer with the user from before, for up to a minute.
   */
  async forgetCopiesOf(userId: string): Promise<void> {
    const held = await this.database.run<Row>(OF_USER, [userId, LONGEST_COPY_MS]);
    await this.cache.forget(held.map(({ hash }) => hash));
  }

  /** Deletes expired tokens, by the clock of Postgres. They are kept while a process may have a copy of them. */
  async purge(): Promise<void> {
    await deleteExpired(this.database, 'tokens', LONGEST_COPY_MS);
  }
}
