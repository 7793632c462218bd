import { Injectable } from '@nestjs/common';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { Database } from '#postgres';
import { type Count, type LimiterOptions, LimiterStore } from './limiter-store.js';

@Injectable()
export class PostgresLimiterStore extends LimiterStore {
  constructor(private readonly database: Database) {
    super();
  }

  open({ name, points, seconds }: LimiterOptions): RateLimiterPostgres {
    return new RateLimiterPostgres({
      storeClient: this.database.pool,
      storeType: 'pool',
      tableName: 'limits',
      tableCreated: true,
      clearExpiredByTimeout: false,
      keyPrefix: name,
      points,
      duration: seconds,
    });
  }

  async read(keys: readonly string[]): Promise<(Count | null)[]> {
    const now = Date.now();
    const rows = await this.database.run<{ key: string; points: number; expire: string }>(
      {
        name: 'limits-read',
        text: 'select key, points, expire from limits where key = any($1) and expire > $2',
      },
      [keys, now],
    );
    return keys.map((key) => {
      const row = rows.find((each) => each.key === key);
      return row ? { points: Number(row.points), msLeft: Number(row.expire) - now } : null;
    });
  }

  async purge(): Promise<void> {
    await this.database.run({ name: 'limits-purge', text: 'delete from limits where expire < $1' }, [
      Date.now(),
    ]);
  }
}
