import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Database, type Statement } from '#postgres';

const EVERY_MS = 60_000;

/** Uses are collected for this time and written together. */
const COLLECT_MS = 5_000;

/** The sessions whose last record a process remembers. A forgotten one costs a row of a statement. */
const MOST_REMEMBERED = 100_000;

/** Rows that another process writes are skipped: it writes the same minute. The last use of a user is recorded once a day. */
const RECORD: Statement = {
  name: 'sessions-used',
  text: `
    with due as (
      select sessions.id, given.at from unnest($1::uuid[], $2::timestamptz[]) as given (id, at)
        join sessions on sessions.id = given.id
       where sessions.last_used_at <= given.at - $3 * interval '1 millisecond'
         for update of sessions skip locked
    ), users_due as (
      select id from users
       where id in (select user_id from sessions where sessions.id = any($1)) and last_used_at <= now() - interval '1 day'
         for update skip locked
    ), users_used as (
      update users set last_used_at = now() where id in (select id from users_due)
    )
    update sessions set last_used_at = due.at from due where sessions.id = due.id`,
};

/** Records when sessions were last used: in the background, and at most once a minute for each. */
@Injectable()
export class SessionUsesService implements OnApplicationShutdown {
  private readonly logger = new Logger('Sessions');
  private readonly recorded = new LRUCache<string, true>({ max: MOST_REMEMBERED, ttl: EVERY_MS });
  private pending = new Map<string, Date>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly database: Database) {}

  record(sessionId: string): void {
    if (this.recorded.has(sessionId)) return;
    this.recorded.set(sessionId, true);
    this.pending.set(sessionId, new Date());
    this.timer ??= setTimeout(() => this.start(), COLLECT_MS).unref();
  }

  /** Runs before Postgres, whose module is global, is closed. */
  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    this.start();
    await this.writing;
  }

  private start(): void {
    this.timer = undefined;
    const uses = this.pending;
    this.pending = new Map();
    this.writing = this.writing.then(() => this.write(uses));
  }

  /** A use that could not be written is recorded by the next one. */
  private async write(uses: ReadonlyMap<string, Date>): Promise<void> {
    if (uses.size === 0) return;
    try {
      await this.database.run(RECORD, [[...uses.keys()], [...uses.values()], EVERY_MS]);
    } catch (failure) {
      this.logger.warn(`uses of sessions were not recorded: ${(failure as Error).message}`);
      for (const id of uses.keys()) this.recorded.delete(id);
    }
  }
}
