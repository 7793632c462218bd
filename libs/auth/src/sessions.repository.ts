import { Injectable } from '@nestjs/common';
import { Unavailable, VerificationClosed } from '#errors';
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

/** The token's life begins and ends by the clock of Postgres. */
const FIND: Statement = {
  name: 'session-find',
  text: `
    select ${USER_COLUMNS}, (extract(epoch from tokens.expires_at - now()) * 1000)::float8 as ms_left
      from tokens join users on users.id = tokens.user_id
     where tokens.hash = $1 and tokens.scope = $2 and tokens.expires_at > now()`,
};

/**
 * Finds or creates the user of the number, and inserts the token. One statement is one transaction, so a token has its user,
 * and no user exists without the sign-in that created it. The unique key of `verification_id` refuses a second token.
 */
const CREATE: Statement = {
  name: 'session-create',
  text: `
    with created as (
      insert into users (id, name, phone_index, phone_sealed) values ($1, $2, $3, $4)
      on conflict (phone_index) do nothing
      returning ${USER_COLUMNS}
    ), holder as (
      select * from created
      union all
      select ${USER_COLUMNS} from users where users.phone_index = $3
    ), token as (
      insert into tokens (hash, user_id, scope, verification_id, expires_at)
      select $5, holder.id, $6, $7, clock_timestamp() + $8 * interval '1 millisecond' from holder
      on conflict do nothing
      returning expires_at
    )
    select holder.*, coalesce((select expires_at from token), (select expires_at from tokens where hash = $5)) as expires_at
      from holder`,
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
    const { id, name, phoneIndex, phoneSealed } = user;
    const account = [id, name, phoneIndex, phoneSealed];
    const values = [...account, hashOf(token), SCOPE, verificationId, this.policy.ttlMs];
    let row: CreatedRow | undefined;
    for (let tries = 1; tries <= TRIES && !row?.expires_at; tries += 1)
      [row] = await this.database.runIdempotent<CreatedRow>(CREATE, values);
    if (!row) throw new Unavailable('users');
    if (!row.expires_at) throw new VerificationClosed('approved');
    return { token, expiresAt: row.expires_at, user: this.users.fromRow(row), isNewUser: row.id === id };
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
}

/** The phone number is sealed in a copy, as it is in the row. */
function readCopy(copy: string): UserRow {
  const row = JSON.parse(copy) as Omit<UserRow, 'created_at'> & { created_at: string };
  return { ...row, created_at: new Date(row.created_at) };
}
