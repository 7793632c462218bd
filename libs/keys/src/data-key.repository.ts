import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '#postgres';
import { derive, type NamedSecret, seal, unseal } from './keys.js';

const CONTEXT = 'data key';

interface Row {
  secret_id: string;
  sealed: Buffer;
}

/** SECRET and SECRET_PREVIOUS are not what this database's phone numbers were sealed under. */
export class WrongSecret extends Error {
  constructor() {
    super(
      'The phone numbers in this database were sealed under another SECRET. ' +
        'Set SECRET (or SECRET_PREVIOUS, while you replace it) to the one this database was first used with.',
    );
  }
}

/** The one key that phone numbers are sealed under, itself kept sealed under SECRET. */
@Injectable()
export class DataKeyRepository {
  constructor(private readonly database: Database) {}

  /**
   * Made on the first start; sealed anew when SECRET has been replaced.
   *
   * @throws WrongSecret
   */
  async load(current: NamedSecret, previous: NamedSecret | null): Promise<Buffer> {
    await this.insertIfMissing(current, randomBytes(32));
    const [row] = await this.database.run<Row>({
      name: 'data-key',
      text: 'select secret_id, sealed from data_keys',
    });
    const secret = [current, previous].find((candidate) => candidate?.id === row?.secret_id);
    if (!row || !secret) throw new WrongSecret();
    const dataKey = unseal(wrappingKey(secret), row.sealed, CONTEXT);
    if (secret !== current) await this.replace(secret, current, dataKey);
    return dataKey;
  }

  private async insertIfMissing(secret: NamedSecret, dataKey: Buffer): Promise<void> {
    await this.database.run(
      {
        name: 'data-key-insert',
        text: 'insert into data_keys (secret_id, sealed) values ($1, $2) on conflict do nothing',
      },
      [secret.id, seal(wrappingKey(secret), dataKey, CONTEXT)],
    );
  }

  private async replace(previous: NamedSecret, current: NamedSecret, dataKey: Buffer): Promise<void> {
    await this.database.run(
      {
        name: 'data-key-replace',
        text: 'update data_keys set secret_id = $2, sealed = $3 where secret_id = $1',
      },
      [previous.id, current.id, seal(wrappingKey(current), dataKey, CONTEXT)],
    );
  }
}

function wrappingKey(secret: NamedSecret): Buffer {
  return derive(secret.bytes, 'data key wrapping');
}
