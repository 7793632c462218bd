import { Injectable, Logger } from '@nestjs/common';
import { BadNumbersRepository } from '#delivery';
import { NotFound, RecentSignInRequired, VersionConflict } from '#errors';
import { EventsRepository } from '#events';
import { VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { type EndReason, TokensRepository } from '#tokens';
import { type User, type UserChange, UsersRepository } from '#users';
import { type AccountExport, accountExportOf } from './account-export.js';
import { AccountsRepository } from './accounts.repository.js';
import { SessionService } from './session.service.js';
import type { Bearer } from './sessions.repository.js';

/** A stolen token of an older sign-in cannot delete the account. */
const RECENT_MS = 10 * 60_000;

/** More than a user has in the time for which events are kept: 24 of a session in a day are the most. */
const MOST_EVENTS = 10_000;

/** Reads, changes and deletes accounts for their users. */
@Injectable()
export class AccountService {
  private readonly logger = new Logger('Operations');

  constructor(
    private readonly accounts: AccountsRepository,
    private readonly users: UsersRepository,
    private readonly sessions: SessionService,
    private readonly tokens: TokensRepository,
    private readonly verifications: VerificationService,
    private readonly badNumbers: BadNumbersRepository,
    private readonly events: EventsRepository,
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

  /** @throws NotFound, Unavailable */
  async findById(id: string): Promise<User> {
    return known(await this.users.findById(id));
  }

  /** @throws NotFound, Unavailable */
  async findByNumber(phoneNumber: PhoneNumber): Promise<User> {
    return known(await this.users.findByNumber(phoneNumber));
  }

  /** @throws Unavailable */
  async export(user: User): Promise<AccountExport> {
    const hasNumber = await this.hasNumber(user);
    const [lastUsedAt, sessions, verifications, events] = await Promise.all([
      this.accounts.lastUseOf(user.id),
      this.sessions.listAll(user),
      hasNumber ? this.verifications.findByNumber(user.phoneNumber) : [],
      this.events.list({ userId: user.id, kind: null }, MOST_EVENTS),
    ]);
    return accountExportOf({ user, lastUsedAt, sessions, verifications, events });
  }

  /**
   * Deletes the account. Limits and wrong codes are still counted by the keyed hash of the number: otherwise an attacker could
   * reset them by deleting accounts.
   *
   * @throws RecentSignInRequired, Unavailable. After Unavailable the account may exist without a session.
   */
  async delete({ user, sessionId }: Bearer): Promise<void> {
    await this.requireRecentSignIn(sessionId);
    await this.deleteAll(user, 'ended_by_user');
  }

  /**
   * @param sessionId null for a token without a session.
   * @throws RecentSignInRequired unless the session began within ten minutes, Unavailable
   */
  async requireRecentSignIn(sessionId: string | null): Promise<void> {
    const isRecent = sessionId !== null && (await this.accounts.hasSignedInWithin(RECENT_MS, sessionId));
    if (!isRecent) throw new RecentSignInRequired();
  }

  /**
   * Deletes the account of a user who asked an operator for it.
   *
   * @throws Unavailable
   */
  async deleteByOperator(user: User): Promise<void> {
    await this.deleteAll(user, 'ended_by_operator');
    this.logger.log({ msg: 'an operator deleted an account', event: 'account_deleted', user: user.id });
  }

  private async deleteAll(user: User, reason: EndReason): Promise<void> {
    await this.sessions.endAllOf(user, reason);
    if (await this.hasNumber(user)) {
      await this.verifications.deleteByNumber(user.phoneNumber);
      await this.badNumbers.deleteByNumber(user.phoneNumber);
    }
    await this.accounts.delete(user.id);
  }

  /** Returns false if the number was recycled: what is stored about it belongs to another user. */
  private async hasNumber({ id, phoneNumber }: User): Promise<boolean> {
    return (await this.users.findByNumber(phoneNumber))?.id === id;
  }
}

function known(user: User | null): User {
  if (!user) throw new NotFound('user');
  return user;
}
