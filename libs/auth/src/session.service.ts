import { Injectable } from '@nestjs/common';
import { InvalidToken } from '#errors';
import type { Verification } from '#otp';
import { Database } from '#postgres';
import { TokensRepository } from '#tokens';
import { type User, UsersRepository } from '#users';

export interface NewSession {
  readonly token: string;
  readonly expiresAt: Date;
  readonly user: User;
  readonly isNewUser: boolean;
}

/** Creates sessions and finds them by their token. */
@Injectable()
export class SessionService {
  constructor(
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
    private readonly database: Database,
  ) {}

  /**
   * Creates the user, if the number has none, and a token in one transaction. Generates the token first, so that a retried
   * transaction writes the same one.
   *
   * @param name used when this creates the user.
   */
  async create({ id: verificationId, phoneNumber }: Verification, name: string | null): Promise<NewSession> {
    const token = this.tokens.generate();
    return this.database.transaction(async (transaction) => {
      const { user, isNew } = await this.users.findOrCreate(transaction, phoneNumber, name);
      const expiresAt = await this.tokens.insert(transaction, token, {
        userId: user.id,
        scope: 'authentication',
        verificationId,
      });
      return { token: token.secret, expiresAt, user, isNewUser: isNew };
    });
  }

  /** @throws InvalidToken */
  async userOf(token: string): Promise<User> {
    const found = await this.tokens.find(token, 'authentication');
    const user = found && (await this.users.find(found.userId));
    if (!user) throw new InvalidToken();
    return user;
  }
}
