import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { In, Repository } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Keys } from '#keys';
import { earlierFormsOf, type PhoneNumber } from '#phone';
import { Database, type Transaction } from '#postgres';
import { UserEntity } from './user.entity.js';

export interface User {
  readonly id: string;
  readonly createdAt: Date;
  readonly name: string | null;
  readonly phoneNumber: PhoneNumber;
  /** Incremented by every change, for optimistic locking. */
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
    @InjectRepository(UserEntity) private readonly users: Repository<UserEntity>,
    private readonly keys: Keys,
  ) {}

  /** Finds a user by id. A prepared statement, because every authenticated request waits for it. */
  async find(id: string): Promise<User | null> {
    const [row] = await this.database.run<Row>(
      { name: 'user', text: 'select id, created_at, name, phone_sealed, version from users where id = $1' },
      [id],
    );
    return row ? this.toUser({ ...row, createdAt: row.created_at, phoneSealed: row.phone_sealed }) : null;
  }

  /** Returns true if the phone number has signed in before. */
  async isKnown(phoneNumber: PhoneNumber): Promise<boolean> {
    return this.database.answerOf(this.users.existsBy({ phoneIndex: this.anyFormOf(phoneNumber) }));
  }

  /** Finds the user of a phone number. */
  async findByNumber(phoneNumber: PhoneNumber): Promise<User | null> {
    const found = await this.database.answerOf(
      this.users.findOneBy({ phoneIndex: this.anyFormOf(phoneNumber) }),
    );
    return found && this.toUser(found);
  }

  /**
   * Returns the one user of a phone number, under any concurrency. The name is stored for a new user only. A user whose
   * number was stored in an earlier form gets it in today's form. Idempotent, because a transaction may run twice.
   */
  async findOrCreate(
    transaction: Transaction,
    phoneNumber: PhoneNumber,
    name: string | null,
  ): Promise<{ user: User; isNew: boolean }> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    await this.adoptEarlierForm(transaction, phoneNumber, phoneIndex);
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

  /** Rewrites the number of an account that was made with an earlier form of it, unless today's form has an account. */
  private async adoptEarlierForm(
    transaction: Transaction,
    phoneNumber: PhoneNumber,
    phoneIndex: string,
  ): Promise<void> {
    const earlier = earlierFormsOf(phoneNumber).map((form) => this.keys.phoneIndexOf(form));
    if (earlier.length === 0 || (await transaction.existsBy(UserEntity, { phoneIndex }))) return;
    await transaction
      .createQueryBuilder()
      .update(UserEntity)
      .set({ phoneIndex, phoneSealed: this.keys.seal(phoneNumber) })
      .where({ phoneIndex: In(earlier) })
      .execute();
  }

  private anyFormOf(phoneNumber: PhoneNumber) {
    const forms = [phoneNumber, ...earlierFormsOf(phoneNumber)];
    return In(forms.map((form) => this.keys.phoneIndexOf(form)));
  }

  private toUser(user: Pick<UserEntity, 'id' | 'createdAt' | 'name' | 'phoneSealed' | 'version'>): User {
    const { id, createdAt, name, phoneSealed, version } = user;
    return { id, createdAt, name, phoneNumber: this.keys.unseal(phoneSealed) as PhoneNumber, version };
  }
}
