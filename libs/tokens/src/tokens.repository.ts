import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { VerificationClosed } from '#errors';
import { Database, type Transaction } from '#postgres';
import { TokenEntity } from './token.entity.js';
import { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';

/** A token with its secret, which is not stored and cannot be read again. */
export interface NewToken {
  readonly secret: string;
  readonly expiresAt: Date;
}

/** A valid token, as found by its secret. */
export interface Token {
  readonly userId: string;
  readonly expiresAt: Date;
}

export abstract class TokenPolicy {
  /** Lifetime of a token. */
  abstract readonly ttlMs: number;
}

@Injectable()
export class TokensRepository {
  constructor(
    private readonly database: Database,
    @InjectRepository(TokenEntity) private readonly tokens: Repository<TokenEntity>,
    private readonly policy: TokenPolicy,
  ) {}

  /** Returns a new token. It is not valid until it is inserted. */
  generate(): NewToken {
    return { secret: newTokenSecret(), expiresAt: new Date(Date.now() + this.policy.ttlMs) };
  }

  /**
   * Stores a token. Idempotent for the same token, because a transaction may run twice.
   *
   * @throws VerificationClosed when the verification already produced another token.
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

  /**
   * Returns null for a secret that is malformed, unknown, expired or of another scope. A prepared statement, because
   * every authenticated request waits for it.
   */
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
    await this.database.answerOf(this.tokens.delete({ scope, userId }));
  }

  /** Deletes expired tokens, by the clock of Postgres. */
  async purge(): Promise<void> {
    const expired = this.tokens.createQueryBuilder().delete().where('expires_at <= now()');
    await this.database.answerOf(expired.execute());
  }
}
