import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { asking, defineScripts } from '#redis';
import { type Change, type Reading, StateStore } from './state-store.js';

const PREFIX = 'latchkey:abuse:';
const HELD = 'latchkey:abuse-held';
const TAG_LENGTH = 36;
/** Longer than any block. */
const HELD_FOR_MS = 30 * 86_400_000;

@Injectable()
export class RedisStateStore extends StateStore {
  private readonly run;

  constructor(@InjectRedis() private readonly redis: Redis) {
    super();
    const folder = join(import.meta.dirname, 'redis-scripts');
    this.run = defineScripts(redis, { folder, prefix: 'abuse', names: ['read_states', 'write_states'] });
  }

  async read(keys: readonly string[]): Promise<Reading> {
    const [now, ...values] = (await this.run(
      'read_states',
      keys.map((key) => PREFIX + key),
    )) as [number, ...(string | null)[]];
    const found = values.map((value) => ({
      text: value?.slice(TAG_LENGTH) ?? null,
      tag: value?.slice(0, TAG_LENGTH) ?? null,
    }));
    return { now, found };
  }

  tagAfter(): string | undefined {
    return undefined;
  }

  async write(changes: readonly Change[]): Promise<boolean> {
    const keys = [...changes.map(({ key }) => PREFIX + key), HELD];
    const args = changes.flatMap(({ key, tag, text, ttlMs, heldUntil }) => [
      ...[key, tag ?? '', randomUUID() + text, Math.ceil(ttlMs), heldUntil ?? ''],
    ]);
    return (await this.run('write_states', keys, [TAG_LENGTH, HELD_FOR_MS, ...args])) === 1;
  }

  async held(now: number, limit: number): Promise<{ key: string; text: string }[]> {
    const keys = await asking(
      this.redis.zrange(HELD, '+inf', `(${now}`, 'BYSCORE', 'REV', 'LIMIT', 0, limit),
    );
    if (keys.length === 0) return [];
    const { found } = await this.read(keys);
    return keys.flatMap((key, i) => {
      const text = found[i]?.text;
      return text ? [{ key, text }] : [];
    });
  }

  /** Redis deletes expired states itself, but not their entries in the sorted set. */
  async purge(): Promise<void> {
    await asking(this.redis.zremrangebyscore(HELD, '-inf', Date.now()));
  }
}
