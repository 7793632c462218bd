import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { inBatches } from '#batches';
import { Unavailable, VerificationClosed } from '#errors';
import { requestId } from '#events';
import { APPROVABLE, approvalOf, type ClientAttempts, type Purpose } from '#otp';
import { Database, type Statement } from '#postgres';
import {
  hashOf,
  isTokenSecret,
  newTokenSecret,
  RefreshTokens,
  type Scope,
  type SessionClient,
  SessionPolicy,
  sessionLabel,
  storedUserAgent,
  TokenCache,
} from '#tokens';
import { type NewUser, USER_COLUMNS, type User, type UserRow, UsersRepository } from '#users';
import { addWebhooks, WebhookEvents } from '#webhooks';
import { RecycledNumbersRepository } from './recycled-numbers.repository.js';

/** A session with its user. Both secrets are known only when they are created: hashes of them are stored. */
export interface CreatedSession {
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly refreshToken: string;
  readonly refreshExpiresAt: Date;
  readonly user: User;
  readonly isNewUser: boolean;
  /** True: the number was recycled, so the account that had it before lost it. */
  readonly isRecycled: boolean;
}

/** A sign-in that its user has proven. */
export interface SignIn extends SessionClient {
  /** Stored unless the number has a user. */
  readonly user: NewUser;
  readonly phoneMasked: string;
  readonly verificationId: string;
  readonly purpose: Purpose;
  /** The channel that carried the code. */
  readonly method: string;
  /** True if a device that has signed in on the number before requested the code: then the number is not recycled. */
  readonly isKnownDevice: boolean;
}

/** The owner of a token. */
export interface Bearer {
  readonly user: User;
  /** Null for a token from before there were sessions. */
  readonly sessionId: string | null;
  readonly tokenHash: Buffer;
  readonly scope: Scope;
}

const SCOPE: Scope = 'authentication';

/** A statement does not see a row that another transaction commits meanwhile. The next try does. */
const TRIES = 3;

type BearerRow = UserRow & { readonly session_id: string | null; readonly scope: Scope };
type FoundRow = BearerRow & { readonly hash: Buffer; readonly ms_left: number };
type CreatedRow = UserRow & {
  readonly expires_at: Date | null;
  readonly refresh_expires_at: Date;
  /** True: nothing was inserted. */
  readonly isRecycled: boolean;
};
/** The columns of the user are null if there is none. */
type ApprovedRow = CreatedRow & { readonly isProven: boolean };

/** The token's life begins and ends by the clock of Postgres. */
const FIND: Statement = {
  name: 'sessions-find',
  text: `
    select tokens.hash, ${USER_COLUMNS}, tokens.session_id, tokens.scope,
           (extract(epoch from tokens.expires_at - now()) * 1000)::float8 as ms_left
      from tokens join users on users.id = tokens.user_id
     where tokens.hash = any($1::bytea[]) and tokens.expires_at > now()`,
};

/**
 * Returns the beginning of a statement that finds or creates the user of the number.
 *
 * @param source the `from` clause whose rows let the user be inserted.
 */
const holderOf = (source: string) => `
    created as (
      insert into users (id, name, phone_index, phone_sealed) select $1, $2, $3, $4 ${source}
      on conflict (phone_index) do nothing
      returning ${USER_COLUMNS}
    ), holder as (
      select *, false as "isRecycled" from created
      union all
      select ${USER_COLUMNS}, coalesce(users.last_used_at <= now() - $17::float8 * interval '1 millisecond', false)
        from users where users.phone_index = $3
    )`;

/**
 * Returns the part of a statement that inserts the token, its session, its refresh token and the events. The unique key of
 * `verification_id` refuses a second token, and without a token no session is inserted.
 *
 * @param source the `from` clause of the token.
 */
const sessionOf = (source: string) => `
    token as (
      insert into tokens (hash, user_id, scope, verification_id, expires_at, session_id)
      select $5, holder.id, $6, $7, clock_timestamp() + $8 * interval '1 millisecond', $9 ${source}
       where not holder."isRecycled"
      on conflict do nothing
      returning user_id, expires_at
    ), session as (
      insert into sessions (id, user_id, expires_at, address, user_agent, label, method)
      select $9, token.user_id, clock_timestamp() + $10 * interval '1 millisecond', $11, $12, $13, $14 from token
      returning id, expires_at
    ), refresh as (
      insert into refresh_tokens (hash, session_id, generation) select $15, session.id, 1 from session
    ), event as (
      insert into events (kind, user_id, session_id, phone_index, phone_masked, address, request_id, details)
      select 'signed_in', token.user_id, session.id, $3, $18, $11, $16, jsonb_build_object('method', $14::text) from token, session
    ), webhook as (
      ${addWebhooks('$19', {
        data: `jsonb_build_object('user_id', token.user_id)`,
        phoneSealed: '$4',
        joins: `, token, session where given.type <> 'user.created' or exists (select from created)`,
      })}
    ), used as (
      update users set last_used_at = now() from token
       where users.id = token.user_id and users.last_used_at <= now() - interval '1 day'
    )`;

/** A repeated statement finds what the first one inserted. */
const EXPIRIES = `
    coalesce((select expires_at from token), (select expires_at from tokens where hash = $5)) as expires_at,
    coalesce((select expires_at from session), (select expires_at from sessions where id = $9)) as refresh_expires_at`;

/**
 * Finds or creates the user of the number, and creates the session. One statement is one transaction, so a token has its user,
 * and no user exists without the sign-in that created it.
 */
const CREATE: Statement = {
  name: 'session-create',
  text: `
    with ${holderOf('')}, ${sessionOf('from holder')}
    select holder.*, ${EXPIRIES} from holder`,
};

/**
 * As `session-create`, and approves the verification: one transaction, so that neither is there without the other. The lock
 * decides which of several right codes gets the session. Nothing is inserted without it.
 */
const APPROVE: Statement = {
  name: 'session-approve',
  text: `
    with proven as (
      select id from verifications where id = $7 and ${APPROVABLE} for update
    ), ${holderOf('from proven')}, ${sessionOf('from holder, proven')}, approved as (
      update verifications set ${approvalOf('$20', '$21')}
       where id in (select id from proven)
         and (exists (select from token) or exists (select from tokens where verification_id = $7))
    )
    select exists (select from proven) as "isProven", holder.*, ${EXPIRIES}
      from (select) as always left join holder on true`,
};

type Secrets = Pick<CreatedSession, 'sessionId' | 'token' | 'refreshToken'>;

/** The statements that need both a token and its user. */
@Injectable()
export class SessionsRepository {
  private readonly findRow = inBatches(async (hashes: readonly Buffer[]) => {
    const rows = await this.database.run<FoundRow>(FIND, [hashes]);
    const found = new Map(rows.map((row) => [row.hash.toString('base64url'), row]));
    return hashes.map((hash) => found.get(hash.toString('base64url')) ?? null);
  });

  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly cache: TokenCache,
    private readonly policy: SessionPolicy,
    private readonly refreshTokens: RefreshTokens,
    private readonly recycled: RecycledNumbersRepository,
    private readonly webhooks: WebhookEvents,
  ) {}

  /**
   * Creates the session of a verification: the one user of its number, under any concurrency, and a token.
   *
   * @throws NumberRecycled, Unavailable, or VerificationClosed when the verification already produced another token.
   */
  async create(signIn: SignIn): Promise<CreatedSession> {
    const secrets = this.newSecrets();
    const values = this.valuesOf(signIn, secrets);
    let row: CreatedRow | undefined;
    let isRecycled = false;
    for (let tries = 1; tries <= TRIES && !row?.expires_at; tries += 1) {
      [row] = await this.database.runIdempotent<CreatedRow>(CREATE, values);
      if (row?.isRecycled) isRecycled = await this.recycled.release(row.id);
    }
    if (!row || row.isRecycled) throw new Unavailable('users');
    if (!row.expires_at) throw new VerificationClosed('approved');
    this.webhooks.start();
    return { ...this.createdBy(row, row.expires_at, signIn, secrets), isRecycled };
  }

  /**
   * Creates the session as `create` does, and approves its verification.
   *
   * @param provenBy the client that gave the right code; null when the verification has only one.
   * @returns null when the verification cannot be approved, because it is not pending or another caller has claimed it.
   * @throws NumberRecycled, Unavailable, or VerificationClosed when the verification already produced another token.
   */
  async createApproving(signIn: SignIn, provenBy: ClientAttempts | null): Promise<CreatedSession | null> {
    const secrets = this.newSecrets();
    const client = [provenBy?.client ?? null, provenBy?.group?.name ?? null];
    const values = [...this.valuesOf(signIn, secrets), ...client];
    let isRecycled = false;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const [row] = await this.database.runIdempotent<ApprovedRow>(APPROVE, values);
      if (!row) break;
      if (row.expires_at) {
        this.webhooks.start();
        return { ...this.createdBy(row, row.expires_at, signIn, secrets), isRecycled };
      }
      if (!row.isProven) return null;
      if (row.isRecycled) {
        isRecycled = await this.recycled.release(row.id);
        continue;
      }
      // Without a user: another transaction has committed it meanwhile.
      if (row.id !== null) throw new VerificationClosed('approved');
    }
    throw new Unavailable('users');
  }

  /** Returns null for a secret that is malformed, unknown or expired. */
  async find(secret: string): Promise<Bearer | null> {
    if (!isTokenSecret(secret)) return null;
    const hash = hashOf(secret);
    const cached = await this.cache.find(hash);
    const copy = 'copy' in cached ? readCopy(cached.copy) : null;
    if (copy) return this.bearerOf(copy, hash);
    const askedAt = performance.now();
    const found = await this.findRow(hash);
    if (!found) return null;
    const { ms_left, hash: _, ...row } = found;
    if ('lease' in cached && cached.lease !== null) {
      const msLeft = ms_left - (performance.now() - askedAt);
      await this.cache.store(hash, cached.lease, JSON.stringify(row), msLeft);
    }
    return this.bearerOf(row, hash);
  }

  private newSecrets() {
    const sessionId = uuidv7();
    return { sessionId, token: newTokenSecret(), refreshToken: this.refreshTokens.secretOf(sessionId, 1) };
  }

  private valuesOf(signIn: SignIn, { sessionId, token, refreshToken }: Secrets): unknown[] {
    const { id, name, phoneIndex, phoneSealed } = signIn.user;
    const userAgent = storedUserAgent(signIn.userAgent);
    return [
      ...[id, name, phoneIndex, phoneSealed],
      ...[hashOf(token), SCOPE, signIn.verificationId, this.policy.ttlMs],
      ...[sessionId, this.policy.refreshTtlMs],
      ...[signIn.address, userAgent, sessionLabel(userAgent), signIn.method, hashOf(refreshToken)],
      requestId(),
      signIn.isKnownDevice ? null : this.policy.recycledAfterMs,
      signIn.phoneMasked,
      this.webhooksOf(signIn, sessionId),
    ];
  }

  private webhooksOf({ phoneMasked, verificationId, purpose, method }: SignIn, sessionId: string) {
    const phone_number = phoneMasked;
    const verification = { verification_id: verificationId, purpose, channel: method };
    return this.webhooks.valueOf(
      { type: 'user.created', data: { phone_number } },
      { type: 'verification.approved', data: { ...verification, session_id: sessionId, phone_number } },
      { type: 'session.created', data: { session_id: sessionId, method, phone_number } },
    );
  }

  private createdBy(
    row: CreatedRow,
    expiresAt: Date,
    { user }: SignIn,
    secrets: Secrets,
  ): Omit<CreatedSession, 'isRecycled'> {
    return {
      ...secrets,
      expiresAt,
      refreshExpiresAt: row.refresh_expires_at,
      user: this.users.fromRow(row),
      isNewUser: row.id === user.id,
    };
  }

  private bearerOf(row: BearerRow, tokenHash: Buffer): Bearer {
    return { user: this.users.fromRow(row), sessionId: row.session_id, tokenHash, scope: row.scope };
  }
}

/**
 * Reads a copy, in which the phone number is sealed as it is in the row. Returns null for a copy of an earlier version, which
 * lacks the scope or the numeric id.
 */
function readCopy(copy: string): BearerRow | null {
  const row = JSON.parse(copy);
  if (row.scope === undefined || row.legacy_id === undefined) return null;
  // In place: this runs for every request with a token.
  row.created_at = new Date(row.created_at);
  return row as BearerRow;
}
