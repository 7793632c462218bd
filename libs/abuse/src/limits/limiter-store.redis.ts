import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { type LimiterOptions, LimiterStore } from './limiter-store.js';

@Injectable()
export class RedisLimiterStore extends LimiterStore {
  constructor(@InjectRedis() private readonly redis: Redis) {
    super();
  }

  open({ name, points, seconds }: LimiterOptions): RateLimiterRedis {
    return new RateLimiterRedis({
      storeClient: this.redis,
      keyPrefix: `latchkey:limit:${name}`,
      points,
      duration: seconds,
      rejectIfRedisNotReady: true,
    });
  }

  /** Does nothing: Redis deletes expired counts itself. */
  async purge(): Promise<void> {}
}
