import { Injectable } from '@nestjs/common';
import type { Channel } from '#config';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import type { Failure } from './message-sender.js';

const REMEMBERED_MS = 24 * 3_600_000;

/** A way that messages take. */
interface Way {
  readonly channel: Channel;
  readonly sender: string;
}

/** Numbers that messages do not reach one way, as the provider said: for a day nobody is paid to find out again. */
@Injectable()
export class BadNumbers {
  constructor(
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  async remember(
    phoneNumber: PhoneNumber,
    { channel, sender }: Way,
    { code, reason, cure }: Failure,
  ): Promise<void> {
    await this.database.run(
      {
        name: 'bad-number-remember',
        text: `insert into bad_numbers (phone_index, channel, sender, failure, expires_at)
               values ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 millisecond')
               on conflict (phone_index, channel, sender) do update
                 set failure = excluded.failure, expires_at = excluded.expires_at`,
      },
      [this.keys.indexOf(phoneNumber), channel, sender, { code, reason, cure }, REMEMBERED_MS],
    );
  }

  /** How the number failed before; null: nothing is known against it. */
  async failureOf(phoneNumber: PhoneNumber, { channel, sender }: Way): Promise<Failure | null> {
    const [row] = await this.database.run<{ failure: Failure }>(
      {
        name: 'bad-number-find',
        text: `select failure from bad_numbers
                where phone_index = $1 and channel = $2 and sender = $3 and expires_at > clock_timestamp()`,
      },
      [this.keys.indexOf(phoneNumber), channel, sender],
    );
    return row?.failure ?? null;
  }

  /** A message arrived this way after all. */
  async forget(phoneNumber: PhoneNumber, { channel, sender }: Way): Promise<void> {
    await this.database.run(
      {
        name: 'bad-number-forget',
        text: 'delete from bad_numbers where phone_index = $1 and channel = $2 and sender = $3',
      },
      [this.keys.indexOf(phoneNumber), channel, sender],
    );
  }

  /** Forgets what is over. */
  async purge(): Promise<void> {
    await this.database.run(
      { name: 'bad-number-purge', text: 'delete from bad_numbers where expires_at <= clock_timestamp()' },
      [],
    );
  }
}
