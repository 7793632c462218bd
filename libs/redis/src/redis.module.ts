import { type DynamicModule, Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { InjectRedis, RedisModule as IoredisModule } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { logErrors, quickOptions } from './connection.redis.js';
import { RedisPing } from './redis-ping.js';

/** Present only with REDIS_URL. */
@Global()
@Module({})
export class RedisModule implements OnApplicationShutdown {
  constructor(@InjectRedis() private readonly redis: Redis) {}

  static forRoot(url: string): DynamicModule {
    return {
      module: RedisModule,
      imports: [
        IoredisModule.forRoot({
          type: 'single',
          url,
          options: quickOptions,
          onClientReady: (redis) => void logErrors(redis),
        }),
      ],
      providers: [RedisPing],
      exports: [RedisPing],
    };
  }

  /** The module below forgets all of its connections when the first application of a process ends. */
  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
