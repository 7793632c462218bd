import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { inBatches } from '#batches';
import { Keys } from '#keys';
import { earlierFormsOf, type PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { UserEntity } from './user.entity.js';

export interface User {
  readonly id: string;
  /** For clients that read ids as 64-bit integers. */
  readonly legacyId: number;
  readonly createdAt: Date;
  readonly name: string | null;
  /** The language that the user chose (BCP 47). */
  readonly locale: string | null;
  readonly phoneNumber: PhoneNumber;
  /** The names of its images; null without an avatar. */
  readonly avatar: Avatar | null;
  /** Incremented by every change, for optimistic locking. */
  readonly version: number;
}

/** The hashes of the two images of an avatar, which are their names. */
interface Avatar {
  readonly large: string;
  readonly small: string;
}

/** A row of `USER_COLUMNS`. */
export interface UserRow {
  readonly id: string;
  readonly legacy_id: number;
  readonly created_at: Date;
  readonly name: string | null;
  readonly locale?: string | null;
  readonly phone_sealed: string;
  readonly avatar_large?: string | null;
  readonly avatar_small?: string | null;
  readonly version: number;
}

/** The names of the columns of `UserRow`. */
export const USER_NAMES =
  'id, legacy_id, created_at, name, locale, phone_sealed, avatar_large, avatar_small, version';

/** The columns of a user, for statements that join `users`. The driver returns a bigint as text, and float8 as a number. */
export const USER_COLUMNS = USER_NAMES.replaceAll(/\w+/g, 'users.$&').replace(
  'users.legacy_id',
  'users.legacy_id::float8 as legacy_id',
);

/** The members of a user that it may change itself. An absent one stays as it is. */
export interface UserChange {
  readonly name?: string | null;
  readonly locale?: string | null;
}

/** The account that has a number. */
export interface NumberHolder {
  readonly id: string;
  /** Milliseconds since it was last used. */
  readonly unusedMs: number;
}

/** The values of a user that may have to be created. */
export type NewUser = Pick<UserEntity, 'id' | 'name' | 'phoneSealed'> & {
  readonly phoneNumber: PhoneNumber;
  readonly phoneIndex: string;
};

const ADOPT_EARLIER_FORM = {
  name: 'user-adopt-earlier-form',
  text: `update users set phone_index = $1, phone_sealed = $2, version = version + 1
          where phone_index = any($3) and not exists (select from users where phone_index = $1)
         returning id`,
};

const OTHER_HOLDER = {
  name: 'user-other-holder',
  text: `select id, (extract(epoch from now() - last_used_at) * 1000)::float8 as "unusedMs"
           from users where phone_index = any($1) and id <> $2`,
};

const KNOWN = { name: 'users-known', text: 'select phone_index from users where phone_index = any($1)' };

const CHANGE = {
  name: 'user-change',
  text: `update users set name = coalesce($3, name), locale = coalesce($4, locale),
                 version = version + ((coalesce($3, name), coalesce($4, locale)) is distinct from (name, locale))::int
          where id = $1 and ($2::int is null or version = $2)
         returning ${USER_COLUMNS}`,
};

@Injectable()
export class UsersRepository {
  private readonly findKnown = inBatches((numbers: readonly PhoneNumber[]) => this.areKnown(numbers));

  constructor(
    private readonly database: Database,
    @InjectRepository(UserEntity) private readonly users: Repository<UserEntity>,
    private readonly keys: Keys,
  ) {}

  /**
   * Returns true if the phone number has signed in before.
   *
   * @throws Unavailable
   */
  isKnown(phoneNumber: PhoneNumber): Promise<boolean> {
    return this.findKnown(phoneNumber);
  }

  /**
   * Returns the other user that has the phone number; null if there is none.
   *
   * @throws Unavailable
   */
  async otherHolderOf(phoneNumber: PhoneNumber, userId: string): Promise<NumberHolder | null> {
    const [row] = await this.database.run<NumberHolder>(OTHER_HOLDER, [this.indexesOf(phoneNumber), userId]);
    return row ?? null;
  }

  /** @throws Unavailable */
  async findById(id: string): Promise<User | null> {
    const found = await this.database.answerOf(this.users.findOneBy({ id }));
    return found && this.toUser(found);
  }

  /** Finds the user of a phone number. */
  async findByNumber(phoneNumber: PhoneNumber): Promise<User | null> {
    const found = await this.database.answerOf(
      this.users.findOneBy({ phoneIndex: this.anyFormOf(phoneNumber) }),
    );
    return found && this.toUser(found);
  }

  /**
   * Returns the user to insert if the phone number has none.
   *
   * @param phoneSealed the number as `Keys.seal` returned it, if the caller has it.
   */
  draft(phoneNumber: PhoneNumber, name: string | null, phoneSealed = this.keys.seal(phoneNumber)): NewUser {
    return { id: uuidv7(), name, phoneNumber, phoneIndex: this.keys.phoneIndexOf(phoneNumber), phoneSealed };
  }

  /**
   * Rewrites the number of an account that was made with an earlier form of it, unless today's form has an account.
   * Most numbers have no earlier form and need no statement.
   *
   * @returns the id of the changed user, or null.
   */
  async adoptEarlierForm(phoneNumber: PhoneNumber): Promise<string | null> {
    const earlier = earlierFormsOf(phoneNumber).map((form) => this.keys.phoneIndexOf(form));
    if (earlier.length === 0) return null;
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const [changed] = await this.database.run<{ id: string }>(ADOPT_EARLIER_FORM, [
      phoneIndex,
      this.keys.seal(phoneNumber),
      earlier,
    ]);
    return changed?.id ?? null;
  }

  /**
   * Reads a row of `USER_COLUMNS`.
   *
   * @param phoneNumber the number of the user, if the caller knows it.
   */
  fromRow(row: UserRow, phoneNumber = this.keys.unseal(row.phone_sealed) as PhoneNumber): User {
    const { avatar_large: large, avatar_small: small } = row;
    return {
      id: row.id,
      legacyId: row.legacy_id,
      createdAt: row.created_at,
      name: row.name,
      locale: row.locale ?? null,
      phoneNumber,
      avatar: large && small ? { large, small } : null,
      version: row.version,
    };
  }

  /**
   * Changes the given members of a user. The version stays if they have these values already.
   *
   * @param version the version that the change is based on; null: any.
   * @returns null if there is no such user, or it has another version.
   * @throws Unavailable
   */
  async change(id: string, { name, locale }: UserChange, version: number | null): Promise<User | null> {
    const [row] = await this.database.run<UserRow>(CHANGE, [id, version, name ?? null, locale ?? null]);
    return row ? this.fromRow(row) : null;
  }

  private async areKnown(numbers: readonly PhoneNumber[]): Promise<boolean[]> {
    const indexes = numbers.map((phoneNumber) => this.indexesOf(phoneNumber));
    const rows = await this.database.run<{ phone_index: string }>(KNOWN, [indexes.flat()]);
    const known = new Set(rows.map(({ phone_index }) => phone_index));
    return indexes.map((ofNumber) => ofNumber.some((index) => known.has(index)));
  }

  private anyFormOf(phoneNumber: PhoneNumber) {
    return In(this.indexesOf(phoneNumber));
  }

  private indexesOf(phoneNumber: PhoneNumber): string[] {
    return [phoneNumber, ...earlierFormsOf(phoneNumber)].map((form) => this.keys.phoneIndexOf(form));
  }

  private toUser(user: Omit<UserEntity, 'phoneIndex'>): User {
    const { id, legacyId, createdAt, name, locale, phoneSealed, avatarLarge, avatarSmall, version } = user;
    return {
      id,
      legacyId,
      createdAt,
      name,
      locale,
      phoneNumber: this.keys.unseal(phoneSealed) as PhoneNumber,
      avatar: avatarLarge && avatarSmall ? { large: avatarLarge, small: avatarSmall } : null,
      version,
    };
  }
}
