import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database, type Transaction } from '#postgres';
import { UserEntity } from './user.entity.js';

export interface User {
  readonly id: string;
  readonly createdAt: Date;
  readonly name: string | null;
  readonly phoneNumber: PhoneNumber;
  /** Counts the changes, for optimistic locking. */
  readonly version: number;
}

interface Row {
  id: string;
  created_at: Date;
  name: string | null;
  phone_sealed: string;
  version: number;
}

@Injectable()
export class UsersRepository {
  constructor(
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  /** On the path of every signed-in request, hence a prepared statement rather than an entity. */
  async find(id: string): Promise<User | null> {
    const [row] = await this.database.run<Row>(
      { name: 'user', text: 'select id, created_at, name, phone_sealed, version from users where id = $1' },
      [id],
    );
    return row ? this.toUser({ ...row, createdAt: row.created_at, phoneSealed: row.phone_sealed }) : null;
  }

  /** Whether the number signed in before. */
  async isKnown(phoneNumber: PhoneNumber): Promise<boolean> {
    const rows = await this.database.run(
      { name: 'user-known', text: 'select from users where phone_index = $1' },
      [this.keys.indexOf(phoneNumber)],
    );
    return rows.length > 0;
  }

  /** One number has one user, however many ask at once. The name counts only for a user that is made. */
  async findOrCreate(
    transaction: Transaction,
    phoneNumber: PhoneNumber,
    name: string | null,
  ): Promise<{ user: User; isNew: boolean }> {
    const phoneIndex = this.keys.indexOf(phoneNumber);
    const id = uuidv7();
    await transaction
      .createQueryBuilder()
      .insert()
      .into(UserEntity)
      .values({ id, name, phoneIndex, phoneSealed: this.keys.seal(phoneNumber) })
      .orIgnore()
      .updateEntity(false)
      .execute();
    const user = await transaction.findOneByOrFail(UserEntity, { phoneIndex });
    return { user: this.toUser(user), isNew: user.id === id };
  }

  private toUser(user: Pick<UserEntity, 'id' | 'createdAt' | 'name' | 'phoneSealed' | 'version'>): User {
    const { id, createdAt, name, phoneSealed, version } = user;
    return { id, createdAt, name, phoneNumber: this.keys.unseal(phoneSealed) as PhoneNumber, version };
  }
}
