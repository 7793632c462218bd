import { Injectable } from '@nestjs/common';
import { InvalidToken } from '#errors';
import type { Verification } from '#otp';
import { TokensRepository } from '#tokens';
import { type User, UsersRepository } from '#users';
import { type CreatedSession, SessionsRepository } from './sessions.repository.js';

/** Creates sessions and finds them by their token. */
@Injectable()
export class SessionService {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
  ) {}

  /**
   * Creates the user, if the number has none, and a token.
   *
   * @param name used when this creates the user.
   */
  async create(
    { id: verificationId, phoneNumber }: Verification,
    name: string | null,
  ): Promise<CreatedSession> {
    const changed = await this.users.adoptEarlierForm(phoneNumber);
    if (changed !== null) await this.tokens.forgetCopiesOf(changed);
    return this.sessions.create(this.users.draft(phoneNumber, name), verificationId);
  }

  /** @throws InvalidToken */
  async userOf(token: string): Promise<User> {
    const user = await this.sessions.findUser(token);
    if (!user) throw new InvalidToken();
    return user;
  }
}
