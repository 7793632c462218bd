import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { VerificationClosed } from '#errors';
import { Database, type Transaction } from '#postgres';
import { TokenEntity } from './token.entity.js';
import { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';

/** A token that is not stored yet. Only a hash of its secret will be, so the secret cannot be read again. */
export interface NewToken {
  readonly secret: string;
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
    return { secret: newTokenSecret() };
  }

  /**
   * Stores a token. Its life begins now, by the clock of Postgres, which also ends it. Idempotent for the same token,
   * because a transaction may run twice.
   *
   * @returns when the token expires.
   * @throws VerificationClosed when the verification already produced another token.
   */
  async insert(
    transaction: Transaction,
    token: NewToken,
    holder: { userId: string; scope: Scope; verificationId: string },
  ): Promise<Date> {
    const hash = hashOf(token.secret);
    const expiresAt = () => `clock_timestamp() + ${this.policy.ttlMs} * interval '1 millisecond'`;
    await transaction
      .createQueryBuilder()
      .insert()
      .into(TokenEntity)
      .values({ hash, expiresAt, ...holder })
      .orIgnore()
      .updateEntity(false)
      .execute();
    const stored = await transaction.findOne(TokenEntity, { select: { expiresAt: true }, where: { hash } });
    if (!stored) throw new VerificationClosed('approved');
    return stored.expiresAt;
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
