import { Injectable } from '@nestjs/common';
import { VersionConflict } from '#errors';
import { TokensRepository } from '#tokens';
import { type User, type UserChange, UsersRepository } from '#users';

/** What a user can do with the own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
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
}
