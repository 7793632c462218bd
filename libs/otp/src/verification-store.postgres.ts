import { Injectable } from '@nestjs/common';
import { Database } from '#postgres';
import type { DeliveryStatus, Purpose, VerificationId } from './verification.js';
import {
  KEPT_AFTER_EXPIRY_MS,
  type NewVerification,
  type Resend,
  type StoredVerification,
  type Unsent,
  VerificationStore,
} from './verification-store.js';

const MS = `interval '1 millisecond'`;
const UNCLAIMED = '(claimed_until is null or claimed_until <= clock_timestamp())';
const OPEN = `status = 'pending' and attempts_left > 0 and expires_at > clock_timestamp() and ${UNCLAIMED}`;

/** What is stored says what was decided; the rest of the status follows from the clock and the count. */
const ROW = `
  id, purpose, phone_index, phone_sealed, name, locale, channel, device, tickets, code_length, secret_id, attempts_left,
  created_at, expires_at, resend_at, sends, delivery_status, delivery_updated_at,
  case
    when status <> 'pending' then status
    when not ${UNCLAIMED} then 'approved'
    when expires_at <= clock_timestamp() then 'expired'
    when attempts_left = 0 then 'max_attempts_reached'
    else 'pending'
  end as status`;

interface Row {
  id: VerificationId;
  purpose: Purpose;
  phone_index: string;
  phone_sealed: string;
  name: string | null;
  locale: string | null;
  channel: string;
  device: string | null;
  tickets: string[];
  code_length: number;
  secret_id: string;
  status: StoredVerification['status'];
  attempts_left: number;
  created_at: Date;
  expires_at: Date;
  resend_at: Date;
  sends: number;
  delivery_status: DeliveryStatus;
  delivery_updated_at: Date;
}

@Injectable()
export class PostgresVerificationStore extends VerificationStore {
  constructor(private readonly database: Database) {
    super();
  }

  async open(v: NewVerification): Promise<StoredVerification> {
    const opened = await this.one(
      'verification-open',
      `insert into verifications (
         id, purpose, phone_index, phone_sealed, name, locale, channel, code_length, secret_id, device, tickets,
         status, attempts_left, created_at, expires_at, resend_at, sends, delivery_status, delivery_updated_at)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, $13, array_remove(array[$14::text], null),
         'pending', $10, t, t + $11 * ${MS}, t + $12 * ${MS}, 1, 'queued', t
       from clock_timestamp() t
       returning ${ROW}`,
      [
        ...[
          v.id,
          v.purpose,
          v.phoneIndex,
          v.phoneSealed,
          v.name,
          v.locale,
          v.channel,
          v.codeLength,
          v.secretId,
        ],
        ...[v.maxAttempts, v.ttlMs, v.resendAfterMs, v.device, v.ticket],
      ],
    );
    return opened as StoredVerification;
  }

  find(id: VerificationId) {
    return this.one('verification-find', `select ${ROW} from verifications where id = $1`, [id]);
  }

  findOpen(purpose: Purpose, phoneIndex: string, device: string | null) {
    return this.one(
      'verification-find-open',
      `select ${ROW} from verifications where purpose = $1 and phone_index = $2 and device is not distinct from $3 and ${OPEN}
        order by created_at desc limit 1`,
      [purpose, phoneIndex, device],
    );
  }

  resend(id: VerificationId, { resendAfterMs, name = null, ticket = null }: Resend) {
    return this.one(
      'verification-resend',
      `update verifications
          set sends = sends + 1, delivery_status = 'queued', delivery_updated_at = clock_timestamp(),
              resend_at = clock_timestamp() + $2 * ${MS}, name = coalesce($3, name),
              tickets = tickets || array_remove(array[$4::text], null)
        where id = $1 and ${OPEN} returning ${ROW}`,
      [id, resendAfterMs, name, ticket],
    );
  }

  attempt(id: VerificationId) {
    return this.one(
      'verification-attempt',
      `update verifications set attempts_left = attempts_left - 1 where id = $1 and ${OPEN} returning ${ROW}`,
      [id],
    );
  }

  // The update decides the race: of two right answers only one still finds it unclaimed.
  async claim(id: VerificationId, leaseMs: number): Promise<boolean> {
    const claimed = await this.one(
      'verification-claim',
      `update verifications
          set claimed_until = clock_timestamp() + $2 * ${MS}, attempts_left = attempts_left + 1
        where id = $1 and status = 'pending' and expires_at > clock_timestamp() and ${UNCLAIMED} returning ${ROW}`,
      [id, leaseMs],
    );
    return claimed !== null;
  }

  async approve(id: VerificationId): Promise<void> {
    await this.one(
      'verification-approve',
      `update verifications set status = 'approved' where id = $1 and status = 'pending' returning ${ROW}`,
      [id],
    );
  }

  async release(id: VerificationId): Promise<void> {
    await this.one(
      'verification-release',
      `update verifications set claimed_until = null where id = $1 and status = 'pending' returning ${ROW}`,
      [id],
    );
  }

  async exhaust(id: VerificationId): Promise<void> {
    await this.one(
      'verification-exhaust',
      `update verifications set attempts_left = 0 where id = $1 and ${OPEN} returning ${ROW}`,
      [id],
    );
  }

  async cancel(id: VerificationId): Promise<boolean> {
    const canceled = await this.one(
      'verification-cancel',
      `update verifications set status = 'canceled' where id = $1 and ${OPEN} returning ${ROW}`,
      [id],
    );
    return canceled !== null;
  }

  async recordDelivery(id: VerificationId, send: number, status: DeliveryStatus): Promise<void> {
    await this.one(
      'verification-delivery',
      `update verifications set delivery_status = $3, delivery_updated_at = clock_timestamp()
        where id = $1 and sends = $2 and delivery_status = 'queued' returning ${ROW}`,
      [id, send, status],
    );
  }

  unsent(olderThanMs: number, limit: number): Promise<Unsent[]> {
    return this.database.run<{ id: VerificationId; send: number }>(
      {
        name: 'verification-unsent',
        text: `select id, sends as send from verifications
                where delivery_status = 'queued' and delivery_updated_at <= clock_timestamp() - $1 * ${MS}
                order by delivery_updated_at limit $2`,
      },
      [olderThanMs, limit],
    );
  }

  async purge(): Promise<void> {
    await this.database.run(
      {
        name: 'verification-purge',
        text: `delete from verifications where expires_at <= clock_timestamp() - $1 * ${MS}`,
      },
      [KEPT_AFTER_EXPIRY_MS],
    );
  }

  private async one(name: string, text: string, values: unknown[]): Promise<StoredVerification | null> {
    const [row] = await this.database.run<Row>({ name, text }, values);
    return row ? toVerification(row) : null;
  }
}

function toVerification(row: Row): StoredVerification {
  return {
    id: row.id,
    purpose: row.purpose,
    phoneIndex: row.phone_index,
    phoneSealed: row.phone_sealed,
    name: row.name,
    locale: row.locale,
    channel: row.channel,
    device: row.device,
    tickets: row.tickets,
    codeLength: row.code_length,
    secretId: row.secret_id,
    status: row.status,
    attemptsLeft: row.attempts_left,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    resendAt: row.resend_at,
    sends: row.sends,
    delivery: { status: row.delivery_status, updatedAt: row.delivery_updated_at },
  };
}
