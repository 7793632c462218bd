import { Injectable } from '@nestjs/common';
import { Database } from '#postgres';
import type { Delivery, DeliveryChange, DeliveryStatus } from './delivery.js';
import type { Purpose, VerificationId } from './verification.js';
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
  created_at, expires_at, resend_at, sends, delivery_status, delivery_reason, delivery_sender, delivery_provider_id,
  delivery_first, delivery_retried, delivery_fallback, delivery_requested_at, delivery_updated_at, delivery_version,
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
  delivery_reason: string | null;
  delivery_sender: string;
  delivery_provider_id: string | null;
  delivery_first: number;
  delivery_retried: boolean;
  delivery_fallback: Delivery['fallback'];
  delivery_requested_at: Date;
  delivery_updated_at: Date;
  delivery_version: number;
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
         status, attempts_left, created_at, expires_at, resend_at, sends, delivery_status, delivery_sender,
         delivery_fallback, delivery_requested_at, delivery_updated_at)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, $13, array_remove(array[$14::text], null),
         'pending', $10, t, t + $11 * ${MS}, t + $12 * ${MS}, 1, 'queued', $15, $16, t, t
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
        ...[v.sender, v.hasFallback ? 'open' : 'none'],
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

  resend(id: VerificationId, { resendAfterMs, channel, sender, hasFallback, name, ticket }: Resend) {
    return this.one(
      'verification-resend',
      `update verifications
          set sends = sends + 1, channel = $5, delivery_status = 'queued', delivery_reason = null,
              delivery_sender = $6, delivery_provider_id = null, delivery_first = sends + 1, delivery_retried = false,
              delivery_fallback = case when delivery_fallback = 'used' then 'used' else $7 end,
              delivery_requested_at = clock_timestamp(), delivery_updated_at = clock_timestamp(),
              delivery_version = delivery_version + 1,
              resend_at = clock_timestamp() + $2 * ${MS}, name = coalesce($3, name),
              tickets = tickets || array_remove(array[$4::text], null)
        where id = $1 and ${OPEN} returning ${ROW}`,
      [
        ...[id, resendAfterMs, name ?? null, ticket ?? null],
        ...[channel, sender, hasFallback ? 'open' : 'none'],
      ],
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

  changeDelivery(id: VerificationId, version: number, change: DeliveryChange) {
    return this.one(
      'verification-delivery',
      `update verifications
          set sends = sends + $3, channel = $4, delivery_status = $5, delivery_reason = $6, delivery_sender = $7,
              delivery_provider_id = $8, delivery_retried = $9, delivery_fallback = $10,
              delivery_requested_at = case $3 when 0 then delivery_requested_at else clock_timestamp() end,
              delivery_updated_at = clock_timestamp(), delivery_version = delivery_version + 1
        where id = $1 and delivery_version = $2 returning ${ROW}`,
      [
        ...[
          id,
          version,
          change.isNewSend ? 1 : 0,
          change.channel,
          change.status,
          change.reason,
          change.sender,
        ],
        ...[change.providerId, change.retried, change.fallback],
      ],
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

  async overdue(olderThanMs: number, limit: number): Promise<VerificationId[]> {
    const rows = await this.database.run<{ id: VerificationId }>(
      {
        name: 'verification-overdue',
        text: `select id from verifications
                where delivery_fallback = 'open' and delivery_status in ('queued', 'accepted')
                  and delivery_requested_at <= clock_timestamp() - $1 * ${MS}
                order by delivery_requested_at limit $2`,
      },
      [olderThanMs, limit],
    );
    return rows.map(({ id }) => id);
  }

  async findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]> {
    const rows = await this.database.run<Row>(
      { name: 'verification-find-all', text: `select ${ROW} from verifications where id = any($1)` },
      [ids],
    );
    return rows.map(toVerification);
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
    delivery: {
      status: row.delivery_status,
      reason: row.delivery_reason,
      sender: row.delivery_sender,
      providerId: row.delivery_provider_id,
      first: row.delivery_first,
      retried: row.delivery_retried,
      fallback: row.delivery_fallback,
      requestedAt: row.delivery_requested_at,
      updatedAt: row.delivery_updated_at,
      version: row.delivery_version,
    },
  };
}
