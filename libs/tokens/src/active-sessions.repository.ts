import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { requestId } from '#events';
import { clientAddress } from '#logging';
import { Database, deleteExpired, type Statement, type Transaction } from '#postgres';
import { addWebhooks, WebhookEvents } from '#webhooks';
import type { ActiveSession, EndReason, RecordedSession } from './session.js';
import { LONGEST_COPY_MS, TokenCache } from './token-cache.js';

const ACTIVE = 'ended_at is null and expires_at > now()';

const COLUMNS = `
  id, created_at as "createdAt", last_used_at as "lastUsedAt", expires_at as "expiresAt",
  address, user_agent as "userAgent", label, method`;

/** The newest first: the ids are UUIDv7. */
const LIST: Statement = {
  name: 'sessions-list',
  text: `
    select ${COLUMNS} from sessions
     where user_id = $1 and ${ACTIVE} and ($2::uuid is null or id < $2)
     order by id desc limit $3`,
};

const LIST_ALL: Statement = {
  name: 'sessions-list-all',
  text: `
    select ${COLUMNS}, ended_at as "endedAt", end_reason as "endReason" from sessions
     where user_id = $1 order by id desc`,
};

const WITHOUT_SESSION: Statement = {
  name: 'tokens-without-session',
  text: 'select hash from tokens where user_id = $1 and session_id is null and expires_at > now()',
};

/** The lock makes one of several callers adopt the token. */
const ADOPT: Statement = {
  name: 'tokens-adopt',
  text: `
    with orphans as (
      select tokens.*, given.id from unnest($1::bytea[], $2::uuid[]) as given (hash, id)
        join tokens on tokens.hash = given.hash
       where tokens.session_id is null
         for update of tokens
    ), adopted as (
      insert into sessions (id, user_id, created_at, last_used_at, expires_at, method)
      select id, user_id, created_at, created_at, expires_at, 'otp' from orphans
    )
    update tokens set session_id = orphans.id from orphans where tokens.hash = orphans.hash`,
};

const OF_TOKEN: Statement = {
  name: 'session-of-token',
  text: 'select session_id as id from tokens where hash = $1',
};

const OF_REFRESH_TOKEN: Statement = {
  name: 'session-of-refresh-token',
  text: 'select session_id as id from refresh_tokens where hash = $1',
};

const EXISTS: Statement = {
  name: 'session-exists',
  text: 'select from sessions where id = $1 and ($2::uuid is null or user_id = $2)',
};

/**
 * In the order of the ids, so that two callers cannot deadlock. Includes those that ended while a process may have a copy of
 * their tokens: a call whose copies could not be deleted is repeated.
 */
const LOCK_OTHERS = `
  select id from sessions
   where user_id = $1 and id is distinct from $2
     and (ended_at is null or ended_at > now() - $3 * interval '1 millisecond')
   order by id for update`;

const END = `
  with ended as (
    update sessions set ended_at = clock_timestamp(), end_reason = $2
     where id = any($1) and ended_at is null
    returning id, user_id
  ), webhook as (
    ${addWebhooks('$5', {
      data: `jsonb_build_object('user_id', ended.user_id, 'session_id', ended.id)`,
      source: 'ended,',
    })}
  )
  insert into events (kind, user_id, session_id, request_id, address, details)
  select case $2 when 'refresh_token_reused' then $2 else 'session_ended' end, user_id, id, $3, $4,
         jsonb_build_object('reason', $2)
    from ended`;

/** Expired rather than deleted, so that a repeated call finds them again if their copies could not be deleted. */
const EXPIRE_TOKENS = `
  update tokens set expires_at = least(expires_at, now())
   where session_id = any($1) and expires_at > now() - $2 * interval '1 millisecond' returning hash`;

interface TokenRow {
  readonly hash: Buffer;
}

/** Lists and ends the sessions of a user. They are created with their user: see `SessionsRepository` in libs/auth. */
@Injectable()
export class ActiveSessionsRepository {
  constructor(
    private readonly database: Database,
    private readonly cache: TokenCache,
    private readonly webhooks: WebhookEvents,
  ) {}

  /**
   * Returns the newest sessions first.
   *
   * @param before the id of the last session of the page before; null for the first page.
   * @throws Unavailable
   */
  list(userId: string, limit: number, before: string | null): Promise<ActiveSession[]> {
    return this.database.run<ActiveSession>(LIST, [userId, before, limit]);
  }

  /**
   * Returns every session of the user that is kept, the newest first.
   *
   * @throws Unavailable
   */
  listAll(userId: string): Promise<RecordedSession[]> {
    return this.database.run<RecordedSession>(LIST_ALL, [userId]);
  }

  /**
   * Creates the sessions of tokens that have none: those from before there were sessions, and those of the Go server.
   *
   * @throws Unavailable
   */
  async adoptTokens(userId: string): Promise<void> {
    const orphans = await this.database.run<TokenRow>(WITHOUT_SESSION, [userId]);
    if (orphans.length === 0) return;
    const hashes = orphans.map(({ hash }) => hash);
    await this.database.run(ADOPT, [hashes, hashes.map(() => uuidv7())]);
    await this.cache.forget(hashes);
  }

  /**
   * Returns the id of the token's session; null when it has none, or there is no such token.
   *
   * @throws Unavailable
   */
  async idOf(tokenHash: Buffer): Promise<string | null> {
    const [row] = await this.database.run<{ id: string | null }>(OF_TOKEN, [tokenHash]);
    return row?.id ?? null;
  }

  /**
   * Returns the id of the refresh token's session; null when there is no such refresh token.
   *
   * @throws Unavailable
   */
  async idOfRefreshToken(hash: Buffer): Promise<string | null> {
    const [row] = await this.database.run<{ id: string }>(OF_REFRESH_TOKEN, [hash]);
    return row?.id ?? null;
  }

  /**
   * Returns true if the user has had the session, ended or not, until it is purged.
   *
   * @throws Unavailable
   */
  async belongs(id: string, userId: string): Promise<boolean> {
    return (await this.database.run(EXISTS, [id, userId])).length > 0;
  }

  /**
   * Returns true if there is such a session, ended or not.
   *
   * @throws Unavailable
   */
  async exists(id: string): Promise<boolean> {
    return (await this.database.run(EXISTS, [id, null])).length > 0;
  }

  /**
   * Ends a session. When it resolves, no process accepts its tokens any more.
   *
   * @throws Unavailable when that is not certain. Repeating the call is safe.
   */
  async end(id: string, reason: EndReason): Promise<void> {
    const hashes = await this.database.transaction((transaction) => this.endIn(transaction, [id], reason));
    // After the commit: a look-up that begins now finds nothing to cache.
    this.webhooks.start();
    await this.cache.forget(hashes);
  }

  /**
   * Ends the sessions of the user.
   *
   * @param except the session that stays; null: none.
   * @throws Unavailable when that is not certain. Repeating the call is safe.
   */
  async endOf(userId: string, except: string | null, reason: EndReason): Promise<void> {
    const hashes = await this.database.transaction((transaction) =>
      this.endOthersIn(transaction, userId, except, reason),
    );
    this.webhooks.start();
    await this.cache.forget(hashes);
  }

  /**
   * Ends the sessions of the user in a transaction.
   *
   * @param except the session that stays; null: none.
   * @param address of the client that caused it, unless it belongs to another user.
   * @returns the hashes of their tokens. Make the caches forget them after the commit.
   */
  async endOthersIn(
    transaction: Transaction,
    userId: string,
    except: string | null,
    reason: EndReason,
    address = clientAddress(),
  ): Promise<Buffer[]> {
    const rows: { id: string }[] = await transaction.query(LOCK_OTHERS, [userId, except, LONGEST_COPY_MS]);
    return this.endIn(
      transaction,
      rows.map(({ id }) => id),
      reason,
      address,
    );
  }

  /** Deletes expired sessions with their tokens and refresh tokens, by the clock of Postgres. */
  async purge(): Promise<void> {
    await deleteExpired(this.database, 'sessions', LONGEST_COPY_MS);
  }

  /**
   * Two statements in one transaction: the second one sees the token of a refresh that the first one waited for. A refresh
   * after it finds that the session has ended.
   */
  private async endIn(
    transaction: Transaction,
    ids: string[],
    reason: EndReason,
    address = clientAddress(),
  ): Promise<Buffer[]> {
    const webhook = this.webhooks.valueOf({ type: 'session.ended', data: { reason } });
    await transaction.query(END, [ids, reason, requestId(), address, webhook]);
    const [rows]: [TokenRow[]] = await transaction.query(EXPIRE_TOKENS, [ids, LONGEST_COPY_MS]);
    return rows.map(({ hash }) => hash);
  }
}
