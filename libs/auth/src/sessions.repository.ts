import { Injectable } from '@nestjs/common';
import { Unavailable, VerificationClosed } from '#errors';
import { APPROVABLE, approvalOf, type ClientAttempts } from '#otp';
import { Database, type Statement } from '#postgres';
import { hashOf, isTokenSecret, newTokenSecret, type Scope, TokenCache, TokenPolicy } from '#tokens';
import { type NewUser, USER_COLUMNS, type User, type UserRow, UsersRepository } from '#users';

/** A token with its user. The secret is known only when it is created: a hash of it is stored. */
export interface CreatedSession {
  readonly token: string;
  readonly expiresAt: Date;
  readonly user: User;
  readonly isNewUser: boolean;
}

const SCOPE: Scope = 'authentication';

/** A statement does not see a row that another transaction commits meanwhile. The next try does. */
const TRIES = 3;

type FoundRow = UserRow & { readonly ms_left: number };
type CreatedRow = UserRow & { readonly expires_at: Date | null };
/** The columns of the user are null if there is none. */
type ApprovedRow = CreatedRow & { readonly isProven: boolean };

/** The token's life begins and ends by the clock of Postgres. */
const FIND: Statement = {
  name: 'session-find',
  text: `
    select ${USER_COLUMNS}, (extract(epoch from tokens.expires_at - now()) * 1000)::float8 as ms_left
      from tokens join users on users.id = tokens.user_id
     where tokens.hash = $1 and tokens.scope = $2 and tokens.expires_at > now()`,
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
      select * from created
      union all
      select ${USER_COLUMNS} from users where users.phone_index = $3
    )`;

/**
 * Finds or creates the user of the number, and inserts the token. One statement is one transaction, so a token has its user,
 * and no user exists without the sign-in that created it. The unique key of `verification_id` refuses a second token.
 */
const CREATE: Statement = {
  name: 'session-create',
  text: `
    with ${holderOf('')}, token as (
      insert into tokens (hash, user_id, scope, verification_id, expires_at)
      select $5, holder.id, $6, $7, clock_timestamp() + $8 * interval '1 millisecond' from holder
      on conflict do nothing
      returning expires_at
    )
    select holder.*, coalesce((select expires_at from token), (select expires_at from tokens where hash = $5)) as expires_at
      from holder`,
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
    ), ${holderOf('from proven')}, token as (
      insert into tokens (hash, user_id, scope, verification_id, expires_at)
      select $5, holder.id, $6, proven.id, clock_timestamp() + $8 * interval '1 millisecond' from holder, proven
      on conflict do nothing
      returning expires_at
    ), approved as (
      update verifications set ${approvalOf('$9', '$10')}
       where id in (select id from proven)
         and (exists (select from token) or exists (select from tokens where verification_id = $7))
    )
    select exists (select from proven) as "isProven", holder.*,
           coalesce((select expires_at from token), (select expires_at from tokens where hash = $5)) as expires_at
      from (select) as always left join holder on true`,
};

/** The statements that need both a token and its user. */
@Injectable()
export class SessionsRepository {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly cache: TokenCache,
    private readonly policy: TokenPolicy,
  ) {}

  /**
   * Creates the session of a verification: the one user of its number, under any concurrency, and a token.
   *
   * @param user stored unless the number has a user.
   * @throws Unavailable, or VerificationClosed when the verification already produced another token.
   */
  async create(user: NewUser, verificationId: string): Promise<CreatedSession> {
    const token = newTokenSecret();
    const values = this.valuesOf(user, verificationId, token);
    let row: CreatedRow | undefined;
    for (let tries = 1; tries <= TRIES && !row?.expires_at; tries += 1)
      [row] = await this.database.runIdempotent<CreatedRow>(CREATE, values);
    if (!row) throw new Unavailable('users');
    if (!row.expires_at) throw new VerificationClosed('approved');
    return this.createdBy(row, row.expires_at, user, token);
  }

  /**
   * Creates the session as `create` does, and approves its verification.
   *
   * @param provenBy the client that gave the right code; null when the verification has only one.
   * @returns null when the verification cannot be approved, because it is not pending or another caller has claimed it.
   * @throws Unavailable, or VerificationClosed when the verification already produced another token.
   */
  async createApproving(
    user: NewUser,
    verificationId: string,
    provenBy: ClientAttempts | null,
  ): Promise<CreatedSession | null> {
    const token = newTokenSecret();
    const client = [provenBy?.client ?? null, provenBy?.group?.name ?? null];
    const values = [...this.valuesOf(user, verificationId, token), ...client];
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const [row] = await this.database.runIdempotent<ApprovedRow>(APPROVE, values);
      if (!row) break;
      if (row.expires_at) return this.createdBy(row, row.expires_at, user, token);
      if (!row.isProven) return null;
      // Without a user: another transaction has committed it meanwhile.
      if (row.id !== null) throw new VerificationClosed('approved');
    }
    throw new Unavailable('users');
  }

  /** Returns null for a secret that is malformed, unknown, expired or of another scope. */
  async findUser(secret: string): Promise<User | null> {
    if (!isTokenSecret(secret)) return null;
    const hash = hashOf(secret);
    const cached = await this.cache.find(hash);
    if ('copy' in cached) return this.users.fromRow(readCopy(cached.copy));
    const askedAt = performance.now();
    const [found] = await this.database.run<FoundRow>(FIND, [hash, SCOPE]);
    if (!found) return null;
    const { ms_left, ...row } = found;
    if (cached.lease !== null) {
      const msLeft = ms_left - (performance.now() - askedAt);
      await this.cache.store(hash, cached.lease, JSON.stringify(row), msLeft);
    }
    return this.users.fromRow(row);
  }

  private valuesOf(user: NewUser, verificationId: string, token: string): unknown[] {
    const { id, name, phoneIndex, phoneSealed } = user;
    return [id, name, phoneIndex, phoneSealed, hashOf(token), SCOPE, verificationId, this.policy.ttlMs];
  }

  private createdBy(row: UserRow, expiresAt: Date, { id }: NewUser, token: string): CreatedSession {
    return { token, expiresAt, user: this.users.fromRow(row), isNewUser: row.id === id };
  }
}

/** The phone number is sealed in a copy, as it is in the row. */
function readCopy(copy: string): UserRow {
  const row = JSON.parse(copy) as Omit<UserRow, 'created_at'> & { created_at: string };
  return { ...row, created_at: new Date(row.created_at) };
}
