import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { Scope } from './token.js';

/** A bearer token as stored: the hash of its secret, never the secret. */
@Entity('tokens')
export class TokenEntity {
  @PrimaryColumn('bytea')
  hash: Buffer;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column('text')
  scope: Scope;

  /** The session that it belongs to. Null: it was issued before there were sessions, or by the Go server. */
  @Column({ name: 'session_id', type: 'uuid', nullable: true })
  sessionId: string | null;

  /** The verification that produced it; null after a refresh. Unique, so that one code cannot become two tokens. */
  @Column({ name: 'verification_id', type: 'text', unique: true, nullable: true })
  verificationId: string | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt: Date;
}
