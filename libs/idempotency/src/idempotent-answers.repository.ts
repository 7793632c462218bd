import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, deleteExpired } from '#postgres';

const MS = `interval '1 millisecond'`;

/** `claimed`: this caller does the work. `answered`: another one did. `in_progress`: another one is doing it. */
export type Claim =
  | { readonly outcome: 'claimed'; readonly claim: string }
  | { readonly outcome: 'answered'; readonly answer: string }
  | { readonly outcome: 'in_progress' };

interface Row {
  claim: string | null;
  answer: string | null;
}

/** Sealed answers by request. Always in Postgres, so that they survive the loss of Redis. */
@Injectable()
export class IdempotentAnswersRepository {
  constructor(private readonly database: Database) {}

  /**
   * Claims a request for one caller under any concurrency, until `answer`, `release` or the end of the lease; the lease
   * is for callers that died.
   *
   * @throws Unavailable
   */
  async claim(id: string, leaseMs: number): Promise<Claim> {
    const claim = randomUUID();
    const [row] = await this.database.run<Row>(
      {
        name: 'idempotent-claim',
        text: `
          with claimed as (
            insert into idempotent_answers as a (id, claim, expires_at)
              values ($1, $2, clock_timestamp() + $3 * ${MS})
              on conflict (id) do update
                set claim = excluded.claim, answer = null, expires_at = excluded.expires_at
                where a.expires_at <= clock_timestamp()
              returning claim)
          select claim, null as answer from claimed
          union all
          select null, answer from idempotent_answers where id = $1 and expires_at > clock_timestamp()
          limit 1`,
      },
      [id, claim, leaseMs],
    );
    if (row?.claim === claim) return { outcome: 'claimed', claim };
    return row?.answer ? { outcome: 'answered', answer: row.answer } : { outcome: 'in_progress' };
  }

  /** @throws Unavailable */
  async answer(id: string, claim: string, answer: string, keptMs: number): Promise<void> {
    await this.database.run(
      {
        name: 'idempotent-answer',
        text: `update idempotent_answers set answer = $3, expires_at = clock_timestamp() + $4 * ${MS}
                where id = $1 and claim = $2`,
      },
      [id, claim, answer, keptMs],
    );
  }

  /** @throws Unavailable */
  async release(id: string, claim: string): Promise<void> {
    await this.database.run(
      { name: 'idempotent-release', text: 'delete from idempotent_answers where id = $1 and claim = $2' },
      [id, claim],
    );
  }

  /** @throws Unavailable */
  async purge(): Promise<void> {
    await deleteExpired(this.database, 'idempotent_answers');
  }
}
