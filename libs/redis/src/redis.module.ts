import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { InjectRedis, RedisModule as IoredisModule, type RedisModuleOptions } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { logLosses, quickOptions } from './connection.redis.js';
import { RedisHealth } from './redis-health.js';
import { RedisMemory } from './redis-memory.js';
import { RedisOptions } from './redis-options.js';
import { RedisWatch } from './redis-watch.js';

/** The connection to Redis, present only with REDIS_URL. The application provides `RedisOptions`. */
@Global()
@Module({
  imports: [
    IoredisModule.forRootAsync({ imports: [], inject: [RedisOptions], useFactory: connectionOptions }),
  ],
  providers: [RedisHealth, RedisMemory, RedisWatch],
  exports: [RedisHealth],
})
export class RedisModule implements OnApplicationShutdown {
  constructor(@InjectRedis() private readonly redis: Redis) {}

  /** Needed because IoredisModule forgets all connections of a process when its first application closes. */
  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}

function connectionOptions({ url }: RedisOptions): RedisModuleOptions {
  return { type: 'single', url, options: quickOptions, onClientReady: (redis) => void logLosses(redis) };
}
