import { Injectable } from '@nestjs/common';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { Database } from '#postgres';
import { type LimiterOptions, LimiterStore } from './limiter-store.js';

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

  async purge(): Promise<void> {
    await this.database.run({ name: 'limits-purge', text: 'delete from limits where expire < $1' }, [
      Date.now(),
    ]);
  }
}
