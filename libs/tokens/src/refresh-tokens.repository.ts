import { Injectable } from '@nestjs/common';
import { InvalidToken, RateLimited, Unavailable } from '#errors';
import { requestId } from '#events';
import { clientAddress } from '#logging';
import { Database, type Statement } from '#postgres';
import { ActiveSessionsRepository } from './active-sessions.repository.js';
import { decideRefresh, RefreshTokens } from './refresh-token.js';
import { SessionEvents } from './session-events.js';
import { SessionPolicy } from './session-policy.js';
import { hashOf, isTokenSecret, newTokenSecret, type Scope } from './token.js';
import { TokenCache } from './token-cache.js';

/** New tokens of a session. */
export interface RefreshedTokens {
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly refreshToken: string;
  readonly refreshExpiresAt: Date;
}

const SCOPE: Scope = 'authentication';

/** Another caller may use the token between the look-up and the change. The next look-up sees that. */
const TRIES = 3;

/** More tokens than a client uses at the same time, so that no client can fill the tables. */
const MOST_TOKENS = 100;

/** More refreshes in a minute than any client needs, so that no client keeps the database busy. */
const MOST_A_MINUTE = 60;
const MINUTE_S = 60;

const MS = `interval '1 millisecond'`;

const FIND: Statement = {
  name: 'refresh-find',
  text: `
    select sessions.id as "sessionId",
           (extract(epoch from clock_timestamp() - presented.used_at) * 1000)::float8 as "usedMsAgo",
           newest.generation as newest,
           exists (select from refresh_tokens as earlier
                    where earlier.session_id = sessions.id and earlier.generation = newest.generation - ${MOST_A_MINUTE}
                      and earlier.used_at > clock_timestamp() - interval '${MINUTE_S} seconds') as "isTooSoon"
      from refresh_tokens as presented join sessions on sessions.id = presented.session_id,
           lateral (select max(generation) as generation from refresh_tokens where session_id = sessions.id) as newest
     where presented.hash = $1 and ended_at is null and expires_at > now() and created_at + $2 * ${MS} > now()`,
};

/**
 * Inserts a token of the session in `live`, and deletes the oldest ones of very many: kept rows would make the end of the
 * session take longer than a statement may. Another refresh deletes those that it has locked.
 *
 * @param expiry the expression of the session's end.
 */
const insertToken = (source: string, expiry: string) => `
    token as (
      insert into tokens (hash, user_id, scope, session_id, expires_at)
      select $2, live.user_id, $3, live.id, least(clock_timestamp() + $4 * ${MS}, ${expiry}) from ${source}
      returning expires_at
    ), surplus as (
      delete from tokens
       where hash in (select hash from tokens
                       where hash in (select hash from tokens where session_id = $1 and expires_at > now()
                                       order by created_at desc offset ${MOST_TOKENS - 1})
                         for update skip locked)
      returning hash
    )`;

/** The lock makes the end of a session wait for this, or this for the end. */
const LIVE = `select id, user_id, created_at, expires_at from sessions
               where id = $1 and ended_at is null and expires_at > now()`;

const RESULT = `select token.expires_at as "expiresAt", (select array_agg(hash) from surplus) as surplus`;

/**
 * One caller finds the refresh token unused. The record has one refresh in an hour: a client could otherwise give its user so many
 * events that deleting the account took longer than a statement may.
 */
const ROTATE: Statement = {
  name: 'refresh-rotate',
  text: `
    with live as (${LIVE} for update
    ), used as (
      update refresh_tokens set used_at = clock_timestamp()
       where hash = $5 and used_at is null and exists (select from live)
      returning generation
    ), next as (
      insert into refresh_tokens (hash, session_id, generation) select $6, live.id, $7 from live, used
    ), forgotten as (
      delete from refresh_tokens where session_id = $1 and generation < $7 - ${MOST_TOKENS} and exists (select from used)
    ), extended as (
      update sessions set last_used_at = clock_timestamp(),
             expires_at = least(clock_timestamp() + $8 * ${MS}, live.created_at + $9 * ${MS})
        from live, used where sessions.id = live.id
      returning sessions.expires_at
    ), user_used as (
      update users set last_used_at = now() from live, used
       where users.id = live.user_id and users.last_used_at <= now() - interval '1 day'
    ), event as (
      insert into events (kind, user_id, session_id, request_id, address)
      select 'refreshed', live.user_id, live.id, $10, $11 from live, used
       where not exists (select from events where user_id = live.user_id and session_id = live.id
                            and kind = 'refreshed' and at > now() - interval '1 hour')
    ), ${insertToken('live, extended', 'extended.expires_at')}
    ${RESULT}, extended.expires_at as "refreshExpiresAt" from token, extended`,
};

const REPEAT: Statement = {
  name: 'refresh-repeat',
  text: `
    with live as (${LIVE} for share
    ), ${insertToken('live', 'live.expires_at')}
    ${RESULT}, live.expires_at as "refreshExpiresAt" from token, live`,
};

/** A session from before there were refresh tokens gets its first one. */
const NEWEST: Statement = {
  name: 'refresh-newest',
  text: `
    with first as (
      insert into refresh_tokens (hash, session_id, generation)
      select $2, id, 1 from sessions where id = $1 and not exists (select from refresh_tokens where session_id = $1)
      on conflict do nothing
    )
    select coalesce(max(generation), 1) as newest from refresh_tokens where session_id = $1`,
};

interface FoundRow {
  readonly sessionId: string;
  readonly usedMsAgo: number | null;
  readonly newest: number;
  /** True: the session was refreshed very often within a minute. */
  readonly isTooSoon: boolean;
}

interface InsertedRow {
  readonly expiresAt: Date;
  readonly refreshExpiresAt: Date;
  readonly surplus: Buffer[] | null;
}

/** Exchanges refresh tokens (RFC 6749, section 6), with rotation and detection of reuse (RFC 9700, section 4.14). */
@Injectable()
export class RefreshTokensRepository {
  constructor(
    private readonly database: Database,
    private readonly cache: TokenCache,
    private readonly sessions: ActiveSessionsRepository,
    private readonly refreshTokens: RefreshTokens,
    private readonly policy: SessionPolicy,
    private readonly events: SessionEvents,
  ) {}

  /**
   * Returns new tokens. Uses of one refresh token within `reuseWindowMs` get the same successor. A later use ends the session,
   * because one of two clients has copied it.
   *
   * @throws InvalidToken, RateLimited, Unavailable
   */
  async refresh(refreshToken: string): Promise<RefreshedTokens> {
    if (!isTokenSecret(refreshToken)) throw new InvalidToken();
    const hash = hashOf(refreshToken);
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const [found] = await this.database.runIdempotent<FoundRow>(FIND, [hash, this.policy.maxAgeMs]);
      if (!found) throw new InvalidToken();
      const decision = decideRefresh(found.usedMsAgo, this.policy.reuseWindowMs);
      if (decision === 'reuse') return this.endReused(found.sessionId);
      if (decision === 'rotate' && found.isTooSoon) throw new RateLimited('refreshes_per_session', MINUTE_S);
      const refreshed = await (decision === 'rotate' ? this.rotate(found, hash) : this.repeat(found));
      if (refreshed) return refreshed;
    }
    throw new Unavailable('refresh tokens');
  }

  /**
   * Returns a new token of the session, with its newest refresh token, which does not count as used.
   *
   * @throws InvalidToken if the session has ended, Unavailable
   */
  async reissue(sessionId: string): Promise<RefreshedTokens> {
    const first = hashOf(this.refreshTokens.secretOf(sessionId, 1));
    const [row] = await this.database.runIdempotent<{ newest: number }>(NEWEST, [sessionId, first]);
    const reissued = row && (await this.repeat({ sessionId, newest: row.newest }));
    if (!reissued) throw new InvalidToken();
    return reissued;
  }

  private async rotate({ sessionId, newest }: FoundRow, used: Buffer): Promise<RefreshedTokens | null> {
    const { refreshTtlMs, maxAgeMs } = this.policy;
    const next = this.refreshTokens.secretOf(sessionId, newest + 1);
    return this.insert(ROTATE, sessionId, next, [
      ...[used, hashOf(next), newest + 1, refreshTtlMs, maxAgeMs],
      ...[requestId(), clientAddress()],
    ]);
  }

  private async repeat({
    sessionId,
    newest,
  }: Pick<FoundRow, 'sessionId' | 'newest'>): Promise<RefreshedTokens | null> {
    return this.insert(REPEAT, sessionId, this.refreshTokens.secretOf(sessionId, newest), []);
  }

  /** Returns null if the session or the refresh token has changed since it was read. */
  private async insert(
    statement: Statement,
    sessionId: string,
    refreshToken: string,
    values: unknown[],
  ): Promise<RefreshedTokens | null> {
    const token = newTokenSecret();
    const [row] = await this.database.run<InsertedRow>(statement, [
      ...[sessionId, hashOf(token), SCOPE, this.policy.ttlMs],
      ...values,
    ]);
    if (!row) return null;
    const { expiresAt, refreshExpiresAt, surplus } = row;
    await this.cache.forget(surplus ?? []);
    return { sessionId, token, expiresAt, refreshToken, refreshExpiresAt };
  }

  private async endReused(sessionId: string): Promise<never> {
    await this.sessions.end(sessionId, 'refresh_token_reused');
    this.events.recordReuse(sessionId);
    throw new InvalidToken();
  }
}
