import { Injectable, Logger } from '@nestjs/common';
import { NumberRecycled } from '#errors';
import { requestId } from '#events';
import { Database } from '#postgres';
import { ActiveSessionsRepository, SessionPolicy, TokenCache } from '#tokens';
import type { NumberHolder } from '#users';

/** An account that was used meanwhile keeps its number. */
const RELEASE = `
  update users set phone_index = null, version = version + 1
   where id = $1 and phone_index is not null and last_used_at <= now() - $2 * interval '1 millisecond'
  returning id`;

const RECORD = `
  insert into events (kind, user_id, request_id) values ('number_recycled', $1, $2)`;

/** Takes numbers from accounts that were not used for so long that the number may belong to another person. */
@Injectable()
export class RecycledNumbersRepository {
  private readonly logger = new Logger('Operations');

  constructor(
    private readonly database: Database,
    private readonly sessions: ActiveSessionsRepository,
    private readonly cache: TokenCache,
    private readonly policy: SessionPolicy,
  ) {}

  /** Returns true if the account may lose its number to another one that proves it. */
  mayRelease({ unusedMs }: NumberHolder): boolean {
    return this.policy.recycledNumbers === 'new_account' && unusedMs >= this.policy.recycledAfterMs;
  }

  /**
   * Takes the number from the account, and ends its sessions. The account keeps everything else.
   *
   * @returns false if the account was used meanwhile.
   * @throws NumberRecycled if the policy refuses recycled numbers, Unavailable
   */
  async release(userId: string): Promise<boolean> {
    if (this.policy.recycledNumbers === 'refuse') {
      const msg = 'a sign-in was refused: its account was not used for too long';
      this.logger.warn({ msg, event: 'recycled_number_refused', user: userId });
      throw new NumberRecycled();
    }
    await this.sessions.adoptTokens(userId);
    const hashes = await this.database.transaction(async (transaction) => {
      const [released]: [unknown[]] = await transaction.query(RELEASE, [userId, this.policy.recycledAfterMs]);
      if (released.length === 0) return null;
      await transaction.query(RECORD, [userId, requestId()]);
      // Without an address: it is that of another person.
      return this.sessions.endOthersIn(transaction, userId, null, 'number_recycled', null);
    });
    if (hashes === null) return false;
    await this.cache.forget(hashes);
    this.logger.log({
      msg: 'a number was recycled: its account was not used for too long',
      event: 'number_recycled',
      user: userId,
    });
    return true;
  }
}
