import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { requestId } from '#events';
import { Keys } from '#keys';
import { Database, type Statement } from '#postgres';
import { ROTATE_AFTER_MS } from './signing-plan.js';

export const SIGNING_ALGORITHM = 'ES256';

const CONTEXT = 'signing key';

/** Makes one process at a time create a key. The number is arbitrary. */
const LOCK = 4_226_015;

/** A key pair of signed tokens. */
export interface SigningKey {
  /** JWK thumbprint (RFC 7638). */
  readonly kid: string;
  readonly publicJwk: JWK;
  /** The private JWK, sealed under the data key. */
  readonly privateSealed: string;
  /** By the clock of Postgres. */
  readonly ageMs: number;
}

const LIST: Statement = {
  name: 'signing-keys-list',
  text: `
    select kid, public_jwk as "publicJwk", private_sealed as "privateSealed",
           (extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as "ageMs"
      from signing_keys order by created_at desc, kid`,
};

const INSERT_IF_DUE = `
  with created as (
    insert into signing_keys (kid, public_jwk, private_sealed)
    select $1, $2, $3
     where not exists (select from signing_keys
                        where created_at > clock_timestamp() - $4 * interval '1 millisecond')
    returning kid
  )
  insert into events (kind, request_id, details)
  select 'signing_key_created', $5, jsonb_build_object('kid', kid) from created`;

const DELETE: Statement = {
  name: 'signing-keys-delete',
  text: 'delete from signing_keys where kid = any($1)',
};

/** Stores the keys of signed tokens. Their private half is sealed: a copy of the database cannot sign. */
@Injectable()
export class SigningKeysRepository {
  constructor(
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  /**
   * Returns all keys, the newest first.
   *
   * @throws Unavailable
   */
  list(): Promise<SigningKey[]> {
    return this.database.run<SigningKey>(LIST);
  }

  /**
   * Creates a key, unless another process has just done so. Returns its id.
   *
   * @param afterMs the age of the newest key at which another one is due.
   * @throws Unavailable
   */
  async create(afterMs = ROTATE_AFTER_MS): Promise<string> {
    const pair = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
    const publicJwk = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    const published = { ...publicJwk, kid, alg: SIGNING_ALGORITHM, use: 'sig' };
    const sealed = this.keys.seal(JSON.stringify(await exportJWK(pair.privateKey)), CONTEXT);
    await this.database.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [LOCK]);
      await transaction.query(INSERT_IF_DUE, [kid, published, sealed, afterMs, requestId()]);
    });
    return kid;
  }

  /** @throws Unavailable */
  async delete(kids: readonly string[]): Promise<void> {
    if (kids.length > 0) await this.database.run(DELETE, [kids]);
  }

  /** Returns the private half. */
  privateJwkOf({ privateSealed }: SigningKey): JWK {
    return JSON.parse(this.keys.unseal(privateSealed, CONTEXT));
  }
}
