import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { asking } from './connection.redis.js';

@Injectable()
export class RedisPing {
  constructor(@InjectRedis() private readonly redis: Redis) {}

  /** @throws Unavailable */
  async ping(): Promise<void> {
    await asking(this.redis.ping());
  }
}
