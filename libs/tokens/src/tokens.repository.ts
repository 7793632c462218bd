import { Injectable } from '@nestjs/common';
import { VerificationClosed } from '#errors';
import { Database, type Transaction } from '#postgres';
import { TokenEntity } from './token.entity.js';
import { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';

/** A token in the only moment in which its secret is known. */
export interface NewToken {
  readonly secret: string;
  readonly expiresAt: Date;
}

/** What a bearer's token says. */
export interface Token {
  readonly userId: string;
  readonly expiresAt: Date;
}

export abstract class TokenPolicy {
  /** How long a token is good for, in milliseconds. */
  abstract readonly ttlMs: number;
}

@Injectable()
export class TokensRepository {
  constructor(
    private readonly database: Database,
    private readonly policy: TokenPolicy,
  ) {}

  /** A token that is good for nothing until it is inserted. */
  generate(): NewToken {
    return { secret: newTokenSecret(), expiresAt: new Date(Date.now() + this.policy.ttlMs) };
  }

  /**
   * May be repeated with the same token, as a transaction does whose first try was lost.
   *
   * @throws VerificationClosed when the verification has been traded for another token.
   */
  async insert(
    transaction: Transaction,
    token: NewToken,
    holder: { userId: string; scope: Scope; verificationId: string },
  ): Promise<void> {
    const hash = hashOf(token.secret);
    await transaction
      .createQueryBuilder()
      .insert()
      .into(TokenEntity)
      .values({ hash, expiresAt: token.expiresAt, ...holder })
      .orIgnore()
      .updateEntity(false)
      .execute();
    const isOurs = await transaction.existsBy(TokenEntity, { hash });
    if (!isOurs) throw new VerificationClosed('approved');
  }

  /** Null for whatever is malformed, unknown, expired or of another scope. */
  async find(secret: string, scope: Scope): Promise<Token | null> {
    if (!isTokenSecret(secret)) return null;
    const [row] = await this.database.run<{ user_id: string; expires_at: Date }>(
      {
        name: 'token',
        text: 'select user_id, expires_at from tokens where hash = $1 and scope = $2 and expires_at > now()',
      },
      [hashOf(secret), scope],
    );
    return row ? { userId: row.user_id, expiresAt: row.expires_at } : null;
  }

  /** Ends every session of the user in this scope. */
  async deleteAllForUser(scope: Scope, userId: string): Promise<void> {
    await this.database.run(
      { name: 'tokens-delete-all', text: 'delete from tokens where scope = $1 and user_id = $2' },
      [scope, userId],
    );
  }

  /** Forgets tokens that have expired. */
  async purge(): Promise<void> {
    await this.database.run({ name: 'tokens-purge', text: 'delete from tokens where expires_at <= now()' });
  }
}
