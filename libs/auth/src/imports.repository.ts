import { Injectable } from '@nestjs/common';
import { Unavailable } from '#errors';
import { Keys } from '#keys';
import { earlierFormsOf, type PhoneNumber } from '#phone';
import { Database, type Statement } from '#postgres';
import { UsersRepository } from '#users';

/** JavaScript writes every whole number up to twice this one exactly, so there are as many ids above it. */
export const LARGEST_LEGACY_ID = 2 ** 52;

/** A statement does not see a row that another transaction commits meanwhile. The next try does. */
const TRIES = 3;

/** Ids that another server may still give to its users after an import, until its next one. */
const LEGACY_IDS_LEFT_FREE = 1_000_000;

/** A token of another server, by its hash. */
export interface ImportedToken {
  readonly hash: Buffer;
  readonly scope: string;
  readonly expiresAt: Date;
}

/** An account of another server. */
export interface ImportedAccount {
  readonly phoneNumber: PhoneNumber;
  readonly name: string | null;
  /** Null: not known. */
  readonly createdAt: Date | null;
  /** The numeric id to keep if no account has it; null: any. */
  readonly legacyId: number | null;
  readonly tokens: readonly ImportedToken[];
}

/** The result for a batch: the rest of its accounts was here already. */
export interface ImportedBatch {
  readonly accounts: number;
  readonly tokens: number;
  /** The numeric ids of all accounts of the batch, also of those that were here already. */
  readonly legacyIds: ReadonlyMap<PhoneNumber, number>;
}

interface Row {
  readonly place: number;
  readonly isCreated: boolean;
  /** Of the account that has the number, in this form or an earlier one. Null: there is none yet. */
  readonly legacyId: number | null;
  /** The tokens of the whole batch. */
  readonly tokens: number;
}

/**
 * Creates the accounts whose number no account has, with their tokens. One statement is one transaction, so an account has
 * all of its tokens. An account that exists gets none: they may have been revoked since an earlier import.
 *
 * The age of a token is not known. It counts as old, because a recent sign-in may do more.
 */
const CREATE: Statement = {
  name: 'accounts-import',
  text: `
    with given as (
      select * from unnest($1::int[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        as given (place, id, created_at, name, phone_index, phone_sealed, legacy_id)
    ), forms as (
      select place, phone_index from given
      union all
      select * from unnest($8::int[], $9::text[])
    ), held as (
      select forms.place, (array_agg(users.id))[1] as id, (array_agg(users.legacy_id))[1] as legacy_id
        from forms join users on users.phone_index = forms.phone_index group by forms.place
    ), wanted as (
      select id, coalesce(least(created_at, now()), now()) as created_at, name, phone_index, phone_sealed, legacy_id,
             legacy_id is not null
               and not exists (select from users where users.legacy_id = given.legacy_id) as keeps_id
        from given where place not in (select place from held)
    ), with_its_id as (
      insert into users (id, created_at, name, phone_index, phone_sealed, legacy_id)
      select id, created_at, name, phone_index, phone_sealed, legacy_id from wanted where keeps_id
      on conflict do nothing returning id, created_at, legacy_id
    ), with_another_id as (
      insert into users (id, created_at, name, phone_index, phone_sealed)
      select id, created_at, name, phone_index, phone_sealed from wanted where not keeps_id
      on conflict do nothing returning id, created_at, legacy_id
    ), created as (
      select * from with_its_id union all select * from with_another_id
    ), token as (
      insert into tokens (hash, user_id, scope, created_at, expires_at)
      select hash, user_id, scope, least(created.created_at, now() - interval '1 day'), expires_at
        from unnest($10::bytea[], $11::uuid[], $12::text[], $13::timestamptz[]) as token (hash, user_id, scope, expires_at)
        join created on created.id = token.user_id
       where expires_at > now()
      on conflict do nothing returning hash
    )
    select given.place, created.id is not null or coalesce(held.id = given.id, false) as "isCreated",
           coalesce(created.legacy_id, held.legacy_id)::float8 as "legacyId",
           (select count(*)::int from token) as tokens
      from given left join created on created.id = given.id left join held on held.place = given.place`,
};

/** Inserts take the next number after they have locked the table. */
const LOCK = 'lock table users in share row exclusive mode';
const RAISE = `
  select setval(sequence, greatest($1::bigint, coalesce(pg_sequence_last_value(sequence), 1)))
    from (select pg_get_serial_sequence('users', 'legacy_id')::regclass as sequence) as of_users`;

/** Takes accounts and tokens of other servers over. */
@Injectable()
export class ImportsRepository {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly keys: Keys,
  ) {}

  /**
   * Makes other new accounts get ids far above this one. So imported accounts can keep theirs, also those of a later import
   * whose users signed up at the other server meanwhile.
   *
   * @throws Unavailable
   */
  async reserveLegacyIds(last: number): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await transaction.query(LOCK);
      await transaction.query(RAISE, [Math.max(0, Math.min(last, LARGEST_LEGACY_ID)) + LEGACY_IDS_LEFT_FREE]);
    });
  }

  /**
   * Creates the accounts whose number no account has. The others stay as they are here.
   *
   * @param accounts with different numbers, at most some hundreds.
   * @throws Unavailable
   */
  async create(accounts: readonly ImportedAccount[]): Promise<ImportedBatch> {
    const drafts = accounts.map((account) => ({
      ...account,
      ...this.users.draft(account.phoneNumber, account.name),
    }));
    let missing = drafts;
    let [created, tokens] = [0, 0];
    const legacyIds = new Map<PhoneNumber, number>();
    for (let tries = 1; tries <= TRIES && missing.length > 0; tries += 1) {
      const rows = await this.database.runIdempotent<Row & object>(CREATE, this.valuesOf(missing));
      created += rows.filter(({ isCreated }) => isCreated).length;
      tokens += rows[0]?.tokens ?? 0;
      for (const { place, legacyId } of rows) {
        const { phoneNumber } = missing[place] as (typeof drafts)[number];
        if (legacyId !== null) legacyIds.set(phoneNumber, legacyId);
      }
      missing = missing.filter(({ phoneNumber }) => !legacyIds.has(phoneNumber));
    }
    if (missing.length > 0) throw new Unavailable('users');
    return { accounts: created, tokens, legacyIds };
  }

  private valuesOf(drafts: readonly (ImportedAccount & ReturnType<UsersRepository['draft']>)[]): unknown[] {
    const column = <T>(of: (draft: (typeof drafts)[number], place: number) => T) => drafts.map(of);
    const forms = drafts.flatMap(({ phoneNumber }, place) =>
      earlierFormsOf(phoneNumber).map((form) => [place, this.keys.phoneIndexOf(form)] as const),
    );
    const tokens = drafts.flatMap(({ id, tokens }) => tokens.map((token) => ({ ...token, id })));
    return [
      ...[column((_, place) => place), column(({ id }) => id), column(({ createdAt }) => createdAt)],
      ...[column(({ name }) => name), column(({ phoneIndex }) => phoneIndex)],
      ...[column(({ phoneSealed }) => phoneSealed), column(({ legacyId }) => legacyId)],
      ...[forms.map(([place]) => place), forms.map(([, index]) => index)],
      ...[tokens.map(({ hash }) => hash), tokens.map(({ id }) => id)],
      ...[tokens.map(({ scope }) => scope), tokens.map(({ expiresAt }) => expiresAt)],
    ];
  }
}
