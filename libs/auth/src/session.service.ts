import { Injectable } from '@nestjs/common';
import { InvalidToken } from '#errors';
import { type ProvenVerification, VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
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
    private readonly verifications: VerificationService,
  ) {}

  /**
   * Creates the user, if the number has none, and a token, and approves the verification. One caller succeeds.
   *
   * @param name used when this creates the user.
   * @throws NotFound, Unavailable, VerificationClosed
   */
  async create(proven: ProvenVerification, name: string | null): Promise<CreatedSession> {
    const { id, phoneNumber, provenBy } = proven;
    const user = this.users.draft(phoneNumber, name);
    if (this.verifications.joinsSessions) {
      return this.verifications.approveBy(proven, async () => {
        await this.adoptEarlierForm(phoneNumber);
        return this.sessions.createApproving(user, id, provenBy);
      });
    }
    const claimed = await this.verifications.claim(proven);
    return this.verifications.complete(claimed, async () => {
      await this.adoptEarlierForm(phoneNumber);
      return this.sessions.create(user, id);
    });
  }

  /** @throws InvalidToken */
  async userOf(token: string): Promise<User> {
    const user = await this.sessions.findUser(token);
    if (!user) throw new InvalidToken();
    return user;
  }

  private async adoptEarlierForm(phoneNumber: PhoneNumber): Promise<void> {
    const changed = await this.users.adoptEarlierForm(phoneNumber);
    if (changed !== null) await this.tokens.forgetCopiesOf(changed);
  }
}
