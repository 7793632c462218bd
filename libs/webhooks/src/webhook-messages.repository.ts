import { Injectable } from '@nestjs/common';
import { Database, deleteExpired, type Statement } from '#postgres';

/** An event that waits to be sent. */
export interface WebhookMessage {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Null for an event without a phone number. */
  readonly phoneSealed: string | null;
  readonly createdAt: Date;
  /** Tries that failed. */
  readonly tries: number;
}

/** More than a receiver can catch up with. Beyond it the oldest events are given up, so that they cannot fill the database. */
const MOST_WAITING = 1_000_000;

const BATCH = 5_000;

const MS = `interval '1 millisecond'`;

/** A try that ends without a record, because its process was killed, is repeated after the lease. */
const CLAIM: Statement = {
  name: 'webhook-claim',
  text: `
    with due as (
      select id from webhook_messages where next_try_at <= now() order by next_try_at limit 1 for update skip locked
    )
    update webhook_messages set next_try_at = clock_timestamp() + $1 * ${MS} from due
     where webhook_messages.id = due.id
    returning webhook_messages.id, type, data, phone_sealed as "phoneSealed", created_at as "createdAt", tries`,
};

const DELETE: Statement = { name: 'webhook-delete', text: 'delete from webhook_messages where id = $1' };

const PUT_OFF: Statement = {
  name: 'webhook-put-off',
  text: `update webhook_messages set tries = tries + 1, next_try_at = clock_timestamp() + $2 * ${MS} where id = $1`,
};

/** Passes over events that are being sent. */
const BRING_FORWARD: Statement = {
  name: 'webhooks-bring-forward',
  text: `
    with waiting as (
      select id from webhook_messages where next_try_at > now() + $1 * ${MS} limit $2 for update skip locked
    ), moved as (
      update webhook_messages set next_try_at = now() from waiting where webhook_messages.id = waiting.id
      returning webhook_messages.id
    )
    select count(*)::int as count from moved`,
};

const SURPLUS: Statement = {
  name: 'webhooks-surplus',
  text: `
    select (extract(epoch from expires_at - now()) * 1000)::float8 as "msLeft" from webhook_messages
     order by expires_at desc offset $1 limit 1`,
};

/** Events that are not delivered yet. The statements that store them are made by `addWebhooks`. */
@Injectable()
export class WebhookMessagesRepository {
  constructor(private readonly database: Database) {}

  /**
   * Returns an event that is due, for one caller until the lease ends; null if none is.
   *
   * @throws Unavailable
   */
  async claim(leaseMs: number): Promise<WebhookMessage | null> {
    const [claimed] = await this.database.run<WebhookMessage>(CLAIM, [leaseMs]);
    return claimed ?? null;
  }

  /** @throws Unavailable */
  async delete(id: string): Promise<void> {
    await this.database.run(DELETE, [id]);
  }

  /**
   * Counts a try that failed.
   *
   * @throws Unavailable
   */
  async putOff(id: string, waitMs: number): Promise<void> {
    await this.database.run(PUT_OFF, [id, waitMs]);
  }

  /**
   * Makes every event due that waits for another try.
   *
   * @param leaseMs events that are due sooner are being sent.
   * @returns their number.
   * @throws Unavailable
   */
  async bringForward(leaseMs: number): Promise<number> {
    let total = 0;
    for (;;) {
      const [moved] = await this.database.run<{ count: number }>(BRING_FORWARD, [leaseMs, BATCH]);
      total += moved?.count ?? 0;
      if (!moved || moved.count < BATCH) return total;
    }
  }

  /**
   * Deletes events whose life has ended, and the oldest ones of very many.
   *
   * @param most smaller only in tests.
   * @returns their number.
   * @throws Unavailable
   */
  async purge(most = MOST_WAITING): Promise<number> {
    const [surplus] = await this.database.run<{ msLeft: number }>(SURPLUS, [most]);
    return deleteExpired(this.database, 'webhook_messages', Math.min(0, -(surplus?.msLeft ?? 0)));
  }
}
