import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { inBatches, writesInTurns } from '#batches';
import { Unavailable, VerificationClosed } from '#errors';
import { requestId } from '#events';
import { APPROVABLE, approvalOf, type ClientAttempts, type Purpose } from '#otp';
import { Database, EACH, type Numbered, numbered, perElement, type Statement } from '#postgres';
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
import { type NewUser, USER_COLUMNS, USER_NAMES, type User, type UserRow, UsersRepository } from '#users';
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

const MS = `interval '1 millisecond'`;

/** A statement does not see a row that another transaction commits meanwhile. The next try does. */
const TRIES = 3;

type BearerRow = UserRow & { readonly session_id: string | null; readonly scope: Scope };
type FoundRow = BearerRow & { readonly hash: Buffer; readonly ms_left: number };
/** A row for a sign-in. The columns of the user are null if there is none, and those of a session if none was inserted. */
type SignedIn = Partial<UserRow> & {
  readonly sessionId: string;
  readonly expires_at: Date | null;
  readonly refresh_expires_at: Date;
  /** True: nothing was inserted. */
  readonly isRecycled: boolean | null;
  /** False: the verification cannot be approved. */
  readonly isProven?: boolean;
};

/** The token's life begins and ends by the clock of Postgres. */
const FIND: Statement = {
  name: 'sessions-find',
  text: `
    select tokens.hash, ${USER_COLUMNS}, tokens.session_id, tokens.scope,
           (extract(epoch from tokens.expires_at - now()) * 1000)::float8 as ms_left
      from tokens join users on users.id = tokens.user_id
     where tokens.hash = any($1::bytea[]) and tokens.expires_at > now()`,
};

/** The types of the values of a sign-in. */
const VALUES = {
  userId: 'uuid',
  name: 'text',
  phoneIndex: 'text',
  phoneSealed: 'text',
  phoneMasked: 'text',
  tokenHash: 'bytea',
  verificationId: 'text',
  sessionId: 'uuid',
  refreshHash: 'bytea',
  address: 'text',
  userAgent: 'text',
  label: 'text',
  method: 'text',
  requestId: 'text',
  recycledAfterMs: 'float8',
  webhooks: 'jsonb',
  client: 'text',
  clientGroup: 'text',
};

type Values = Readonly<Record<keyof typeof VALUES, string | number | null>>;

const COLUMNS = Object.keys(VALUES)
  .map((name) => `${perElement(`:${name}`, VALUES)} as "${name}"`)
  .join(', ');

/** The beginning of a statement for several sign-ins, one for each number. */
const ASKED = `asked as (select ${COLUMNS} from ${EACH})`;

/** The columns of a sign-in that has its user: the name is the user's. */
const ASKED_COLUMNS = Object.keys(VALUES)
  .filter((name) => name !== 'name')
  .map((name) => `asked."${name}"`)
  .join(', ');

/**
 * Returns the part of a statement that finds or creates the users of the numbers. Two statements wait for each other's users in
 * one order. The lock keeps an account from losing its number before the statement ends.
 *
 * @param source the sign-ins that let their user be inserted.
 */
const holderOf = (source: string) => `
    created as (
      insert into users (id, name, phone_index, phone_sealed)
      select "userId", name, "phoneIndex", "phoneSealed" from ${source} order by "phoneIndex"
      on conflict (phone_index) do nothing
      returning ${USER_COLUMNS}, users.phone_index, users.last_used_at
    ), found as (
      select ${USER_COLUMNS}, users.phone_index, users.last_used_at,
             coalesce(users.last_used_at <= now() - asked."recycledAfterMs" * ${MS}, false) as "isRecycled"
        from asked join users on users.phone_index = asked."phoneIndex"
       order by users.phone_index for key share of users
    ), holder as (
      select *, false as "isRecycled" from created union all select * from found
    )`;

/**
 * Returns the part of a statement that inserts the tokens, their sessions, refresh tokens and events. The unique key of
 * `verification_id` refuses a second token, and without a token no session is inserted. Postgres expects one row in each
 * part, so a join of two parts compares all rows of both. To need few joins, each part hands on all values. See
 * docs/decisions/0085.
 *
 * @param isProven SQL: the sign-in may get a token.
 */
const sessionOf = (isProven: string) => `
    placed as (
      select ${ASKED_COLUMNS}, holder.*, ${isProven} as "isProven"
        from asked left join holder on holder.phone_index = asked."phoneIndex"
    ), token as (
      insert into tokens (hash, user_id, scope, verification_id, expires_at, session_id)
      select "tokenHash", id, '${SCOPE}', "verificationId", clock_timestamp() + :ttlMs * ${MS}, "sessionId"
        from placed where "isProven" and id is not null and not "isRecycled"
      on conflict do nothing
      returning session_id, expires_at
    ), outcome as (
      select placed.*, token.expires_at, clock_timestamp() + :refreshTtlMs * ${MS} as refresh_expires_at
        from placed left join token on token.session_id = "sessionId"
    ), signed as (
      select * from outcome where expires_at is not null
    ), session as (
      insert into sessions (id, user_id, expires_at, address, user_agent, label, method)
      select "sessionId", id, refresh_expires_at, address, "userAgent", label, method from signed
    ), refresh as (
      insert into refresh_tokens (hash, session_id, generation) select "refreshHash", "sessionId", 1 from signed
    ), event as (
      insert into events (kind, user_id, session_id, phone_index, phone_masked, address, request_id, details)
      select 'signed_in', id, "sessionId", "phoneIndex", "phoneMasked", address, "requestId",
             jsonb_build_object('method', method)
        from signed
    ), webhook as (
      ${addWebhooks('webhooks', {
        data: `jsonb_build_object('user_id', signed.id)`,
        phoneSealed: '"phoneSealed"',
        source: 'signed,',
        condition: `where given.type <> 'user.created' or signed.id = "userId"`,
      })}
    ), used as (
      update users set last_used_at = now()
       where id in (
         select users.id from signed join users on users.id = signed.id
          where signed.last_used_at <= now() - interval '1 day' for no key update of users skip locked)
    )`;

/** The rest of the statement: a row for each sign-in. A repeated statement finds what the first one inserted. */
const result = (columns = '') => `
    select "sessionId", ${columns} "isRecycled", ${USER_NAMES},
           coalesce(expires_at, (select tokens.expires_at from tokens where hash = "tokenHash")) as expires_at,
           case when expires_at is not null then refresh_expires_at
                else (select sessions.expires_at from sessions where sessions.id = "sessionId") end as refresh_expires_at
      from outcome`;

/**
 * Finds or creates the users of the numbers, and creates the sessions. One statement is one transaction, so a token has its user,
 * and no user exists without the sign-in that created it.
 */
const CREATE = numbered(`with ${ASKED}, ${holderOf('asked')}, ${sessionOf('true')} ${result()}`);

/**
 * As `CREATE`, and approves the verifications: one transaction, so that neither is there without the other. The lock decides which
 * of several right codes gets the session. Nothing is inserted without it. The locks are taken in the order of ids, as those of `PostgresVerificationStore`.
 */
const APPROVE = numbered(`
    with ${ASKED}, proven as (
      select asked.* from asked join verifications on verifications.id = "verificationId"
       where ${APPROVABLE} order by verifications.id collate "C" for update of verifications
    ), ${holderOf('proven')}, ${sessionOf('asked."sessionId" in (select "sessionId" from proven)')}, approved as (
      update verifications set ${approvalOf('outcome.client', 'outcome."clientGroup"')} from outcome
       where outcome."isProven" and verifications.id = outcome."verificationId"
         and (outcome.expires_at is not null
              or exists (select from tokens where tokens.verification_id = outcome."verificationId"))
    )
    ${result('"isProven",')}`);

type Secrets = Pick<CreatedSession, 'sessionId' | 'token' | 'refreshToken'>;

/** The statements that need both a token and its user. */
@Injectable()
export class SessionsRepository {
  private readonly findRow = inBatches(async (hashes: readonly Buffer[]) => {
    const rows = await this.database.run<FoundRow>(FIND, [hashes]);
    const found = new Map(rows.map((row) => [row.hash.toString('base64url'), row]));
    return hashes.map((hash) => found.get(hash.toString('base64url')) ?? null);
  });

  private readonly insert = writesInTurns(numberOf, (all) => this.run('session-create', CREATE, all));
  private readonly approve = writesInTurns(numberOf, (all) => this.run('session-approve', APPROVE, all));

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
    const created = await this.tryTo(this.insert, signIn, null);
    if (!created) throw new Unavailable('users');
    return created;
  }

  /**
   * Creates the session as `create` does, and approves its verification.
   *
   * @param provenBy the client that gave the right code; null when the verification has only one.
   * @returns null when the verification cannot be approved, because it is not pending or another caller has claimed it.
   * @throws NumberRecycled, Unavailable, or VerificationClosed when the verification already produced another token.
   */
  createApproving(signIn: SignIn, provenBy: ClientAttempts | null): Promise<CreatedSession | null> {
    return this.tryTo(this.approve, signIn, provenBy);
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

  private async tryTo(
    insert: (values: Values) => Promise<SignedIn>,
    signIn: SignIn,
    provenBy: ClientAttempts | null,
  ): Promise<CreatedSession | null> {
    const secrets = this.newSecrets();
    const values = this.valuesOf(signIn, secrets, provenBy);
    let isRecycled = false;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const row = await insert(values);
      if (isSignedIn(row)) {
        this.webhooks.start();
        return { isRecycled, ...this.createdBy(row, signIn, secrets) };
      }
      if (row.isProven === false) return null;
      if (row.isRecycled) isRecycled = await this.recycled.release(row.id as string);
      else if (row.id && (row.isProven || tries === TRIES)) throw new VerificationClosed('approved');
      // Another transaction has committed the user meanwhile, or a statement whose answer was lost has committed the token.
    }
    throw new Unavailable('users');
  }

  /** Repeating it changes nothing. */
  private async run(name: string, { text, names }: Numbered, all: readonly Values[]): Promise<SignedIn[]> {
    const { ttlMs, refreshTtlMs } = this.policy;
    const values: Record<string, unknown> = { all: JSON.stringify(all), ttlMs, refreshTtlMs };
    const rows = await this.database.runIdempotent<SignedIn>(
      { name, text },
      names.map((parameter) => values[parameter]),
    );
    const found = new Map(rows.map((row) => [row.sessionId, row]));
    return all.map(({ sessionId }) => found.get(sessionId as string) as SignedIn);
  }

  private newSecrets() {
    const sessionId = uuidv7();
    return { sessionId, token: newTokenSecret(), refreshToken: this.refreshTokens.secretOf(sessionId, 1) };
  }

  private valuesOf(
    signIn: SignIn,
    { sessionId, token, refreshToken }: Secrets,
    provenBy: ClientAttempts | null,
  ): Values {
    const { user } = signIn;
    const userAgent = storedUserAgent(signIn.userAgent);
    return {
      userId: user.id,
      name: user.name,
      phoneIndex: user.phoneIndex,
      phoneSealed: user.phoneSealed,
      phoneMasked: signIn.phoneMasked,
      verificationId: signIn.verificationId,
      sessionId,
      address: signIn.address,
      method: signIn.method,
      userAgent,
      label: sessionLabel(userAgent),
      tokenHash: asBytea(hashOf(token)),
      refreshHash: asBytea(hashOf(refreshToken)),
      requestId: requestId(),
      recycledAfterMs: signIn.isKnownDevice ? null : this.policy.recycledAfterMs,
      webhooks: this.webhooksOf(signIn, sessionId),
      client: provenBy?.client ?? null,
      clientGroup: provenBy?.group?.name ?? null,
    };
  }

  private webhooksOf({ phoneMasked, verificationId, purpose, method }: SignIn, sessionId: string) {
    const phone_number = phoneMasked;
    const verification = { verification_id: verificationId, purpose, channel: method };
    return this.webhooks.valueOf(
      { type: 'user.created', data: { phone_number } },
      { type: 'verification.approved', data: { session_id: sessionId, phone_number, ...verification } },
      { type: 'session.created', data: { session_id: sessionId, method, phone_number } },
    );
  }

  private createdBy(row: Inserted, { user }: SignIn, secrets: Secrets): Omit<CreatedSession, 'isRecycled'> {
    return {
      expiresAt: row.expires_at,
      refreshExpiresAt: row.refresh_expires_at,
      user: this.users.fromRow(row, user.phoneNumber),
      isNewUser: row.id === user.id,
      ...secrets,
    };
  }

  private bearerOf(row: BearerRow, tokenHash: Buffer): Bearer {
    return { user: this.users.fromRow(row), sessionId: row.session_id, tokenHash, scope: row.scope };
  }
}

type Inserted = SignedIn & UserRow & { readonly expires_at: Date };

function isSignedIn(row: SignedIn): row is Inserted {
  return row.expires_at !== null && row.id !== null;
}

function numberOf({ phoneIndex }: Values): string {
  return phoneIndex as string;
}

/** Bytes as JSON that Postgres can cast to bytea. */
function asBytea(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
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
