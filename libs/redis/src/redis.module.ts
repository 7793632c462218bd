import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { InjectRedis, RedisModule as IoredisModule, type RedisModuleOptions } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { logErrors, quickOptions } from './connection.redis.js';
import { RedisPing } from './redis-ping.js';

export abstract class RedisOptions {
  abstract readonly url: string;
}

/** The connection to Redis, present only with REDIS_URL. The application provides `RedisOptions`. */
@Global()
@Module({
  imports: [
    IoredisModule.forRootAsync({ imports: [], inject: [RedisOptions], useFactory: connectionOptions }),
  ],
  providers: [RedisPing],
  exports: [RedisPing],
})
export class RedisModule implements OnApplicationShutdown {
  constructor(@InjectRedis() private readonly redis: Redis) {}

  /** Needed because IoredisModule forgets all connections of a process when its first application closes. */
  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}

function connectionOptions({ url }: RedisOptions): RedisModuleOptions {
  return { type: 'single', url, options: quickOptions, onClientReady: (redis) => void logErrors(redis) };
}
