import { join } from 'node:path';
import { Injectable, Logger } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { Unavailable } from '#errors';
import { asking } from './connection.redis.js';
import { fullnessFault, isNearlyFull, mayEvict, policyFault, readMemoryUse } from './memory-use.js';
import { RedisOptions } from './redis-options.js';
import { isOfCluster } from './replies.js';
import { defineScripts } from './scripts.redis.js';
import { findServerFault } from './server-check.redis.js';
import { CLUSTER_FAULT, type ServerFault } from './server-fault.js';

/** Two keys that a Redis Cluster keeps in different slots. */
const KEYS = ['latchkey:ready:1', 'latchkey:ready:2'];

/** The time for which requests rely on a write that succeeded, while the connection lasts. */
const RELIED_ON_MS = 100;

/** Tells whether Redis does what requests need, and logs why not. */
@Injectable()
export class RedisHealth {
  private readonly logger = new Logger('Redis');
  private readonly run;
  private fault: ServerFault | null = null;
  private lastRefusal: string | null = null;
  private sharedPing: Promise<void> | null = null;
  private reliedOnUntil = 0;

  constructor(
    @InjectRedis() private readonly redis: Redis,
    private readonly options: RedisOptions,
  ) {
    const folder = join(import.meta.dirname, 'redis-scripts');
    this.run = defineScripts(redis, { folder, prefix: 'redis', names: ['take_write'] });
  }

  /**
   * Writes to Redis, because a full one, a replica and a cluster answer a PING.
   *
   * @throws Unavailable
   */
  async ping(): Promise<void> {
    const now = performance.now();
    this.reliedOnUntil = 0;
    if (this.fault !== null) await this.inspect();
    if (this.fault !== null) throw new Unavailable('redis', { cause: new Error(this.fault) });
    try {
      await this.run('take_write', KEYS);
    } catch (error) {
      this.logOnce(refusalIn(error as Error));
      throw error;
    }
    this.reliedOnUntil = now + RELIED_ON_MS;
    this.logOnce(null);
  }

  /**
   * As `ping`, for requests. They share a ping that has not ended, and rely on one that succeeded for 100 ms.
   *
   * @throws Unavailable
   */
  async requireWrites(): Promise<void> {
    if (performance.now() < this.reliedOnUntil && this.redis.status === 'ready') return;
    this.sharedPing ??= this.ping().finally(() => {
      this.sharedPing = null;
    });
    await this.sharedPing;
  }

  /**
   * Returns the time by Redis's clock.
   *
   * @throws Unavailable
   */
  async now(): Promise<Date> {
    const [seconds, microseconds] = await asking(this.redis.time());
    return new Date(Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000));
  }

  /** Returns what an operator should change about the memory of Redis. Empty if its user may not ask. */
  async memoryWarnings(): Promise<string[]> {
    const info = await this.redis.info('memory').catch(() => '');
    const use = readMemoryUse(info);
    return [
      ...(mayEvict(use) ? [policyFault(use)] : []),
      ...(isNearlyFull(use, false) ? [fullnessFault(use)] : []),
    ];
  }

  /** Checks again what the start checked: Redis may have been unreachable then, or may have changed. */
  async inspect(): Promise<void> {
    this.fault = await findServerFault(this.options.url);
    if (this.fault !== null) this.logOnce(this.fault);
  }

  private logOnce(refusal: string | null): void {
    if (refusal === this.lastRefusal) return;
    if (refusal !== null) this.logger.error(`Redis cannot be used: ${refusal}`);
    else this.logger.log('Redis can be used again');
    this.lastRefusal = refusal;
  }
}

/** Returns why Redis refused the write, or null if it did not answer, which the connection logs. */
function refusalIn({ cause }: Error): string | null {
  if (!(cause instanceof Error) || cause.name !== 'ReplyError') return null;
  return isOfCluster(cause) ? CLUSTER_FAULT : cause.message;
}
