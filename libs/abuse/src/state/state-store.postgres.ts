import { Injectable } from '@nestjs/common';
import { Database } from '#postgres';
import { type Change, type Found, StateStore } from './state-store.js';

interface Row {
  key: string;
  version: string;
  text: string | null;
}

@Injectable()
export class PostgresStateStore extends StateStore {
  constructor(private readonly database: Database) {
    super();
  }

  async read(keys: readonly string[]): Promise<Found[]> {
    const rows = await this.database.run<Row>(
      {
        name: 'states-read',
        text: `select key, version, case when expires_at > clock_timestamp() then state end as text
                 from abuse_states where key = any($1)`,
      },
      [keys],
    );
    const found = new Map(rows.map((row) => [row.key, row]));
    return keys.map((key) => {
      const row = found.get(key);
      return { text: row?.text ?? null, tag: row?.version ?? null };
    });
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
    await this.database.run({
      name: 'states-purge',
      text: 'delete from abuse_states where expires_at <= clock_timestamp()',
    });
  }
}
