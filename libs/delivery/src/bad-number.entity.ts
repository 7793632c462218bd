import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Route } from '#config';
import type { Failure } from '#messaging';

/** A phone number that a provider could not reach on a channel. */
@Entity('bad_numbers')
export class BadNumberEntity {
  @PrimaryColumn({ name: 'phone_index', type: 'text' })
  phoneIndex: string;

  @PrimaryColumn('text')
  channel: Route['channel'];

  @PrimaryColumn({ name: 'sender', type: 'text' })
  provider: Route['provider'];

  /** The stored form of a failure has an older name for the recovery. */
  @Column('jsonb')
  failure: Pick<Failure, 'code' | 'reason'> & { readonly cure: Failure['recovery'] };

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;
}
