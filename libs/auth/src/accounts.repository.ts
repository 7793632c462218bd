import { Injectable } from '@nestjs/common';
import { requestId } from '#events';
import { Database, type Statement } from '#postgres';
import { TokenCache } from '#tokens';

/** A sign-in that inserts a token waits for the lock. Then it finds no user, and creates one. */
const LOCK = 'select from users where id = $1 for update';
const TOKENS = 'select hash from tokens where user_id = $1';
const DELETE = 'delete from users where id = $1';

/** Events stay, but say no longer whom they are about. */
const ANONYMIZE = `
  update events set user_id = null, session_id = null, phone_index = null, phone_masked = null, address = null,
         details = details - 'from' where user_id = $1`;
const RECORD = `insert into events (kind, user_id, request_id) values ('account_deleted', $1, $2)`;

const IS_RECENT: Statement = {
  name: 'session-is-recent',
  text: `select created_at > now() - $2 * interval '1 millisecond' as "isRecent" from sessions where id = $1`,
};

const LAST_USE: Statement = {
  name: 'user-last-use',
  text: 'select last_used_at as "lastUsedAt" from users where id = $1',
};

/** Deletes users together with their sessions and tokens, which refer to them. */
@Injectable()
export class AccountsRepository {
  constructor(
    private readonly database: Database,
    private readonly cache: TokenCache,
  ) {}

  /**
   * Returns true if the session began within this time.
   *
   * @throws Unavailable
   */
  async hasSignedInWithin(ms: number, sessionId: string): Promise<boolean> {
    const [row] = await this.database.run<{ isRecent: boolean }>(IS_RECENT, [sessionId, ms]);
    return row?.isRecent === true;
  }

  /**
   * Returns when the account was last used, as it is recorded once a day; null if there is no such user.
   *
   * @throws Unavailable
   */
  async lastUseOf(userId: string): Promise<Date | null> {
    const [row] = await this.database.run<{ lastUsedAt: Date }>(LAST_USE, [userId]);
    return row?.lastUsedAt ?? null;
  }

  /**
   * Deletes the user with sessions and tokens. When it resolves, no process accepts its tokens any more.
   *
   * @throws Unavailable
   */
  async delete(userId: string): Promise<void> {
    const hashes = await this.database.transaction(async (transaction) => {
      await transaction.query(LOCK, [userId]);
      const rows: { hash: Buffer }[] = await transaction.query(TOKENS, [userId]);
      await transaction.query(DELETE, [userId]);
      await transaction.query(ANONYMIZE, [userId]);
      await transaction.query(RECORD, [userId, requestId()]);
      return rows.map(({ hash }) => hash);
    });
    await this.cache.forget(hashes);
  }
}
