import { Column, CreateDateColumn, Entity, PrimaryColumn, VersionColumn } from 'typeorm';

/** A user as stored: the phone number is sealed, and found by a keyed hash (`phoneIndex`). */
@Entity('users')
export class UserEntity {
  /** UUIDv7 (RFC 9562, section 5.7). */
  @PrimaryColumn('uuid')
  id: string;

  /** For clients that read ids as 64-bit integers. The driver returns it as text. */
  @Column({
    name: 'legacy_id',
    type: 'bigint',
    unique: true,
    generated: 'identity',
    generatedIdentity: 'BY DEFAULT',
    transformer: { from: Number, to: (id?: number) => id },
  })
  legacyId: number;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ type: 'text', nullable: true })
  name: string | null;

  /** BCP 47; null: not chosen. */
  @Column({ type: 'text', nullable: true })
  locale: string | null;

  /** Null: the number was recycled, and another account has it. */
  @Column({ name: 'phone_index', type: 'text', unique: true, nullable: true })
  phoneIndex: string | null;

  @Column({ name: 'phone_sealed', type: 'text' })
  phoneSealed: string;

  /** The hash of the large image of the avatar; null without one. */
  @Column({ name: 'avatar_large', type: 'text', nullable: true })
  avatarLarge: string | null;

  /** The hash of the small image of the avatar; null without one. */
  @Column({ name: 'avatar_small', type: 'text', nullable: true })
  avatarSmall: string | null;

  /** Recorded once a day. */
  @Column({ name: 'last_used_at', type: 'timestamptz', default: () => 'now()', select: false })
  lastUsedAt?: Date;

  /** Incremented by every change, for optimistic locking. */
  @VersionColumn({ default: 1 })
  version: number;
}
