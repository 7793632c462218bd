import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Database } from '#postgres';
import { DataKeyEntity } from './data-key.entity.js';
import { derive, type NamedSecret, seal, unseal } from './keys.js';

const CONTEXT = 'data key';

/** Neither SECRET nor SECRET_PREVIOUS unseals the data key of this database. */
export class WrongSecret extends Error {
  constructor() {
    super(
      'The phone numbers in this database were encrypted with another SECRET. ' +
        'Set SECRET to the value it was last used with. To replace that value, set it as SECRET_PREVIOUS.',
    );
  }
}

/** The one key that phone numbers are sealed under, itself stored sealed under SECRET. */
@Injectable()
export class DataKeyRepository {
  constructor(
    private readonly database: Database,
    @InjectRepository(DataKeyEntity) private readonly dataKeys: Repository<DataKeyEntity>,
  ) {}

  /**
   * Returns the data key. Creates it on the first start, and seals it again when SECRET has been replaced.
   *
   * @throws WrongSecret
   */
  async load(current: NamedSecret, previous: NamedSecret | null): Promise<Buffer> {
    await this.insertIfMissing(current, randomBytes(32));
    const row = await this.database.answerOf(this.dataKeys.findOneBy({ onlyOne: true }));
    const secret = [current, previous].find((candidate) => candidate?.id === row?.secretId);
    if (!row || !secret) throw new WrongSecret();
    const dataKey = unseal(wrappingKey(secret), row.sealed, CONTEXT);
    if (secret !== current) await this.replace(secret, current, dataKey);
    return dataKey;
  }

  /** Processes that start together insert at once; the first row wins. */
  private async insertIfMissing(secret: NamedSecret, dataKey: Buffer): Promise<void> {
    const sealed = seal(wrappingKey(secret), dataKey, CONTEXT);
    const insert = this.dataKeys
      .createQueryBuilder()
      .insert()
      .values({ onlyOne: true, secretId: secret.id, sealed })
      .orIgnore()
      .updateEntity(false);
    await this.database.answerOf(insert.execute());
  }

  private async replace(previous: NamedSecret, current: NamedSecret, dataKey: Buffer): Promise<void> {
    const sealed = seal(wrappingKey(current), dataKey, CONTEXT);
    await this.database.answerOf(
      this.dataKeys.update({ secretId: previous.id }, { secretId: current.id, sealed }),
    );
  }
}

function wrappingKey(secret: NamedSecret): Buffer {
  return derive(secret.bytes, 'data key wrapping');
}
