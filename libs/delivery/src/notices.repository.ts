import { Injectable } from '@nestjs/common';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database, type Statement, type Transaction } from '#postgres';

/** A message to a user that carries no code: the number of the account was changed. */
export interface Notice {
  readonly id: string;
  /** The number that the account had before. */
  readonly phoneNumber: PhoneNumber;
  /** The language that the user chose; null: not chosen. */
  readonly locale: string | null;
  readonly ageMs: number;
}

interface NoticeRow {
  readonly phone_sealed: string;
  readonly locale: string | null;
  readonly age_ms: number;
}

const INSERT = `insert into notices (id, phone_sealed, locale) select $1, $3, locale from users where id = $2`;

const FIND: Statement = {
  name: 'notice-find',
  text: `
    select phone_sealed, locale, (extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as age_ms
      from notices where id = $1`,
};

const DELETE: Statement = { name: 'notice-delete', text: 'delete from notices where id = $1' };

const WAITING: Statement = {
  name: 'notices-waiting',
  text: `
    select id from notices where created_at <= clock_timestamp() - $1 * interval '1 millisecond'
     order by created_at limit $2`,
};

/**
 * Notices that are not sent yet. A row is deleted when its message is sent or given up. It outlives its account: a thief could
 * otherwise prevent the notice by deleting the account.
 */
@Injectable()
export class NoticesRepository {
  constructor(
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  /** Stores a notice in the transaction that it tells about. */
  async add(transaction: Transaction, id: string, userId: string, phoneNumber: PhoneNumber): Promise<void> {
    await transaction.query(INSERT, [id, userId, this.keys.seal(phoneNumber)]);
  }

  /**
   * Returns null for a notice that is sent.
   *
   * @throws Unavailable
   */
  async find(id: string): Promise<Notice | null> {
    const [row] = await this.database.run<NoticeRow>(FIND, [id]);
    if (!row) return null;
    const { phone_sealed, locale, age_ms: ageMs } = row;
    return { id, phoneNumber: this.keys.unseal(phone_sealed) as PhoneNumber, locale, ageMs };
  }

  /** @throws Unavailable */
  async delete(id: string): Promise<void> {
    await this.database.run(DELETE, [id]);
  }

  /**
   * Returns notices that have waited for longer than this, oldest first.
   *
   * @throws Unavailable
   */
  async waiting(olderThanMs: number, limit: number): Promise<string[]> {
    const rows = await this.database.run<{ id: string }>(WAITING, [olderThanMs, limit]);
    return rows.map(({ id }) => id);
  }
}
