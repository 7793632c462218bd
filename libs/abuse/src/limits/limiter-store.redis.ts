import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { asking } from '#redis';
import { type Count, type LimiterOptions, LimiterStore } from './limiter-store.js';

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

  async read(keys: readonly string[]): Promise<(Count | null)[]> {
    const [points, lives] = await asking(
      Promise.all([this.redis.mget([...keys]), Promise.all(keys.map((key) => this.redis.pttl(key)))]),
    );
    return points.map((count, i) => {
      return count === null ? null : { points: Number(count), msLeft: Math.max(0, lives[i] ?? 0) };
    });
  }

  /** Does nothing: Redis deletes expired counts itself. */
  async purge(): Promise<void> {}
}
