import { Injectable } from '@nestjs/common';
import { clientAddress } from '#logging';
import { Database, type Statement } from '#postgres';
import { type EventKind, type RecordedEvent, requestId } from './event.js';
import { EventPolicy } from './event-policy.js';

/** Null: any. */
export interface EventFilter {
  readonly userId: string | null;
  readonly kind: string | null;
}

/** Partitions are created for this month and the next ones. */
const MONTHS_AHEAD = 2;

/** Another process has created the partition meanwhile, or the default partition has events of the month already. */
const NOT_NEEDED = new Set(['42P07', '42710', '23505', '23514']);

const RECORD: Statement = {
  name: 'event-record',
  text: `
    insert into events (kind, phone_index, address, request_id, details) values ($1, $2, $3, $4, $5)`,
};

const LIST: Statement = {
  name: 'events-list',
  text: `
    select id, at, kind, user_id as "userId", session_id as "sessionId", phone_index as "phoneIndex",
           phone_masked as "phoneMasked", address,
           request_id as "requestId", details
      from events where ($1::uuid is null or user_id = $1) and ($2::text is null or kind = $2)
     order by at desc, id limit $3`,
};

const MISSING_MONTHS: Statement = {
  name: 'events-missing-months',
  text: `
    with months as (
      select date_trunc('month', now()) + n * interval '1 month' as first from generate_series(0, $1::int) as n
    )
    select 'events_' || to_char(first, 'YYYY_MM') as name, first::date::text as first,
           (first + interval '1 month')::date::text as next
      from months where to_regclass('events_' || to_char(first, 'YYYY_MM')) is null`,
};

/** The end of a partition is in its name. */
const EXPIRED_MONTHS: Statement = {
  name: 'events-expired-months',
  text: `
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = to_regclass('events') and relname ~ '^events_[0-9]{4}_[0-9]{2}$'
       and to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= now() - $1 * interval '1 millisecond'`,
};

const DELETE_OTHERS: Statement = {
  name: 'events-delete-others',
  text: `delete from events_default where at <= now() - $1 * interval '1 millisecond'`,
};

/** Records acts of operators, and keeps the table of events. Events of users are recorded by their own statements. */
@Injectable()
export class EventsRepository {
  constructor(
    private readonly database: Database,
    private readonly policy: EventPolicy,
  ) {}

  /**
   * Records an event that is about no user.
   *
   * @throws Unavailable
   */
  async record(
    kind: EventKind,
    {
      phoneIndex = null,
      details = {},
    }: { phoneIndex?: string | null; details?: Record<string, string> } = {},
  ): Promise<void> {
    await this.database.run(RECORD, [kind, phoneIndex, clientAddress(), requestId(), details]);
  }

  /**
   * Returns the newest events first.
   *
   * @throws Unavailable
   */
  list({ userId, kind }: EventFilter, limit: number): Promise<RecordedEvent[]> {
    return this.database.run<RecordedEvent>(LIST, [userId, kind, limit]);
  }

  /**
   * Creates the partitions of the next months, and deletes the months that are kept no longer.
   *
   * @throws Unavailable
   */
  async purge(): Promise<void> {
    const missing = await this.database.run<{ name: string; first: string; next: string }>(MISSING_MONTHS, [
      MONTHS_AHEAD,
    ]);
    for (const month of missing) await this.createMonth(month);
    const expired = await this.database.run<{ name: string }>(EXPIRED_MONTHS, [this.policy.keptMs]);
    for (const { name } of expired) await this.define(`drop-${name}`, `drop table if exists ${name}`);
    await this.database.run(DELETE_OTHERS, [this.policy.keptMs]);
  }

  private async createMonth({ name, first, next }: { name: string; first: string; next: string }) {
    const range = `for values from ('${first}') to ('${next}')`;
    try {
      await this.define(`create-${name}`, `create table ${name} partition of events ${range}`);
    } catch (error) {
      if (!NOT_NEEDED.has((error as { code?: string }).code ?? '')) throw error;
    }
  }

  /** The names come from Postgres. */
  private async define(name: string, text: string): Promise<void> {
    await this.database.run({ name, text });
  }
}
