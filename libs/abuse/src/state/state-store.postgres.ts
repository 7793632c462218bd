import { Injectable } from '@nestjs/common';
import { Database, deleteExpired } from '#postgres';
import { type Change, type Reading, StateStore } from './state-store.js';

interface Row {
  now: number;
  /** Null in the row that stands for no state at all. */
  key: string | null;
  version: string | null;
  text: string | null;
}

@Injectable()
export class PostgresStateStore extends StateStore {
  constructor(private readonly database: Database) {
    super();
  }

  async read(keys: readonly string[]): Promise<Reading> {
    const rows = await this.database.run<Row>(
      {
        name: 'states-read',
        text: `select floor(extract(epoch from clock.now) * 1000)::float8 as now, key, version,
                      case when expires_at > clock.now then state end as text
                 from (select clock_timestamp() as now) as clock left join abuse_states on key = any($1)`,
      },
      [keys],
    );
    const found = new Map(rows.map((row) => [row.key, row]));
    return {
      now: (rows[0] as Row).now,
      found: keys.map((key) => {
        const row = found.get(key);
        return { text: row?.text ?? null, tag: row?.version ?? null };
      }),
    };
  }

  tagAfter({ tag }: Change): string {
    return String(BigInt(tag ?? 0) + 1n);
  }

  // The function raises and catches an exception internally, which undoes the writes before an outdated tag.
  async write(changes: readonly Change[]): Promise<boolean> {
    const [row] = await this.database.run<{ written: boolean }>(
      {
        name: 'states-write',
        text: `select write_abuse_states($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) as written`,
      },
      [
        changes.map(({ key }) => key),
        changes.map(({ tag }) => tag ?? 0),
        changes.map(({ text }) => text),
        changes.map(({ ttlMs }) => Math.ceil(ttlMs)),
        changes.map(({ heldUntil }) => heldUntil),
      ],
    );
    return row?.written === true;
  }

  held(now: number, limit: number): Promise<{ key: string; text: string }[]> {
    return this.database.run(
      {
        name: 'states-held',
        text: `select key, state as text from abuse_states where held_until > $1 and expires_at > clock_timestamp()
                order by held_until desc limit $2`,
      },
      [now, limit],
    );
  }

  async purge(): Promise<void> {
    await deleteExpired(this.database, 'abuse_states');
  }
}
