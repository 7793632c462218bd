import { Injectable } from '@nestjs/common';
import { Database, deleteExpired } from '#postgres';

/** A state and its version. */
interface Found {
  /** Null: there is no state, or it has expired. */
  readonly text: string | null;
  /** The version that `write` compares (optimistic locking). */
  readonly tag: string | null;
}

/** States, and the time at which they were read. */
export interface Reading {
  /** By the clock of the store, in milliseconds since 1970. */
  readonly now: number;
  /** In the order of the keys. */
  readonly found: readonly Found[];
}

export interface Change {
  readonly key: string;
  /** The tag with which the state was read. */
  readonly tag: string | null;
  readonly text: string;
  readonly ttlMs: number;
  /** Until this time (milliseconds since 1970) `held` lists the state. Null: it does not list it. */
  readonly heldUntil: number | null;
}

interface Row {
  now: number;
  /** Null in the row that stands for no state at all. */
  key: string | null;
  version: string | null;
  text: string | null;
}

/**
 * Stores the states of the abuse policy for all processes. The store makes no decisions: callers read states, decide
 * and write them back. A write is atomic, and fails if another process has changed one of the states since it was read.
 * A store that cannot answer throws Unavailable and never says "absent".
 */
@Injectable()
export class StateStore {
  constructor(private readonly database: Database) {}

  /** Reads states in one round trip. */
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

  /** Returns the tag that a state has after a change of it was written. */
  tagAfter({ tag }: Change): string {
    return String(BigInt(tag ?? 0) + 1n);
  }

  /**
   * Writes all changes in one round trip and returns true, or writes none and returns false if a tag is outdated. The function
   * raises and catches an exception internally, which undoes the writes before an outdated tag.
   */
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

  /** Returns up to `limit` states whose `heldUntil` is after `now`. */
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

  /** Deletes what has expired. */
  async purge(): Promise<void> {
    await deleteExpired(this.database, 'abuse_states');
  }
}
