import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Injectable, Logger } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { inBatches } from '#batches';
import { Unavailable } from '#errors';
import { asking, defineScripts } from '#redis';
import { type CacheAnswer, LONGEST_COPY_MS, TokenCache } from './token-cache.js';

const key = (hash: Buffer) => `latchkey:session:${hash.toString('base64url')}`;

/** Tells copies, which are JSON objects, from leases. */
const LEASE = 'lease:';

/** Longer than a look-up in Postgres takes. After it a copy is not stored, which costs the next look-up only. */
const LEASE_MS = 5_000;

/** The time that a request waits for Redis before it asks Postgres. */
const PATIENCE_MS = 200;

/** Redis is not asked for this time after it did not answer, so that not every request waits for it. */
const DELETED_AT_ONCE = 1_000;
const PAUSE_MS = 1_000;

@Injectable()
export class RedisTokenCache extends TokenCache {
  private readonly logger = new Logger('Sessions');
  private readonly run;
  /** Requests of one turn share a command, and the timer that limits it. */
  private readonly read = inBatches((keys: readonly string[]) => this.inTime(this.redis.mget(...keys)));
  private pausedUntil = 0;

  constructor(@InjectRedis() private readonly redis: Redis) {
    super();
    const folder = join(import.meta.dirname, 'redis-scripts');
    this.run = defineScripts(redis, { folder, prefix: 'session', names: ['store'] });
  }

  async find(hash: Buffer): Promise<CacheAnswer> {
    if (performance.now() < this.pausedUntil) return { lease: null };
    try {
      const found = await this.read(key(hash));
      if (found !== null) return found.startsWith(LEASE) ? { lease: null } : { copy: found };
      const lease = LEASE + randomUUID();
      const isTaken = await this.inTime(this.redis.set(key(hash), lease, 'PX', LEASE_MS, 'NX'));
      return { lease: isTaken === null ? null : lease };
    } catch {
      this.pausedUntil = performance.now() + PAUSE_MS;
      return { lease: null };
    }
  }

  async store(hash: Buffer, lease: string, copy: string, ttlMs: number): Promise<void> {
    const ms = Math.floor(Math.min(ttlMs, LONGEST_COPY_MS));
    if (ms <= 0) return;
    const stored = this.run('store', [key(hash)], [lease, copy, ms]);
    await stored.catch((failure: Error) => this.logger.debug(`a session was not cached: ${failure.message}`));
  }

  async forget(hashes: readonly Buffer[]): Promise<void> {
    // A call has a limited number of arguments.
    for (let i = 0; i < hashes.length; i += DELETED_AT_ONCE)
      await asking(this.redis.del(...hashes.slice(i, i + DELETED_AT_ONCE).map(key)));
  }

  private async inTime<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Unavailable('redis')), PATIENCE_MS);
    });
    try {
      return await Promise.race([asking(answer), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
