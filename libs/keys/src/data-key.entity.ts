import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The data key as stored: sealed under SECRET, in a table of at most one row. */
@Entity('data_keys')
@Check('data_keys_only_one_check', 'only_one')
export class DataKeyEntity {
  @PrimaryColumn({ name: 'only_one', type: 'boolean', default: true })
  onlyOne: boolean;

  /** The public name of the secret that seals the key: see `nameSecret`. */
  @Column({ name: 'secret_id', type: 'text' })
  secretId: string;

  @Column('bytea')
  sealed: Buffer;
}
