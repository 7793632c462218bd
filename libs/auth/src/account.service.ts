import { Injectable } from '@nestjs/common';
import { BadNumbersRepository } from '#delivery';
import { RecentSignInRequired, VersionConflict } from '#errors';
import { type Verification, VerificationService } from '#otp';
import { ActiveSessionsRepository, type RecordedSession, TokensRepository } from '#tokens';
import { type User, type UserChange, UsersRepository } from '#users';
import { AccountsRepository } from './accounts.repository.js';
import { SessionService } from './session.service.js';
import type { Bearer } from './sessions.repository.js';

/** A stolen token older than this cannot delete the account. */
const RECENT_MS = 10 * 60_000;

/** All that is stored about a user. */
export interface AccountExport {
  readonly user: User;
  readonly sessions: readonly RecordedSession[];
  readonly verifications: readonly Verification[];
}

/** Reads, changes and deletes accounts for their users. */
@Injectable()
export class AccountService {
  constructor(
    private readonly accounts: AccountsRepository,
    private readonly users: UsersRepository,
    private readonly sessions: SessionService,
    private readonly recorded: ActiveSessionsRepository,
    private readonly tokens: TokensRepository,
    private readonly verifications: VerificationService,
    private readonly badNumbers: BadNumbersRepository,
  ) {}

  /**
   * Changes the user. From then on every process answers with the changed user.
   *
   * @param version the version that the change is based on; null: any.
   * @throws VersionConflict, Unavailable
   */
  async change(id: string, change: UserChange, version: number | null): Promise<User> {
    const changed = await this.users.change(id, change, version);
    if (!changed) throw new VersionConflict();
    await this.tokens.forgetCopiesOf(id);
    return changed;
  }

  /** @throws Unavailable */
  async export({ user }: Bearer): Promise<AccountExport> {
    const [sessions, verifications] = await Promise.all([
      this.recorded.listAll(user.id),
      this.verifications.findByNumber(user.phoneNumber),
    ]);
    return { user, sessions, verifications };
  }

  /**
   * Deletes the account. Limits and wrong codes are still counted by the keyed hash of the number: otherwise an attacker could
   * reset them by deleting accounts.
   *
   * @throws RecentSignInRequired, Unavailable. After Unavailable the account may exist without a session.
   */
  async delete(bearer: Bearer): Promise<void> {
    const { user, sessionId } = bearer;
    if (sessionId === null || !(await this.accounts.hasSignedInWithin(RECENT_MS, sessionId)))
      throw new RecentSignInRequired();
    await this.sessions.endAll(bearer, true);
    await this.verifications.deleteByNumber(user.phoneNumber);
    await this.badNumbers.deleteByNumber(user.phoneNumber);
    await this.accounts.delete(user.id);
  }
}
