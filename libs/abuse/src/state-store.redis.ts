import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { asking } from '#redis';
import { type Change, type Found, StateStore } from './state-store.js';

const PREFIX = 'latchkey:abuse:';
const HELD = 'latchkey:abuse-held';
const TAG_LENGTH = 36;
/** Longer than any hold: what is left after so long a peace is of no interest. */
const HELD_FOR_MS = 30 * 86_400_000;

/**
 * A value is a tag and the state. KEYS: the states, then the sorted set of the held ones by the end of their hold.
 * ARGV, for each state: its name, the tag it was found under or '', the new value, its life, the end of its hold or ''.
 */
const WRITE = `
local held = KEYS[#KEYS]
for i = 1, #KEYS - 1 do
  local value = redis.call('GET', KEYS[i])
  local tag = value and string.sub(value, 1, ${TAG_LENGTH}) or ''
  if tag ~= ARGV[i * 5 - 3] then return 0 end
end
for i = 1, #KEYS - 1 do
  local name, value, life, untilTime = ARGV[i * 5 - 4], ARGV[i * 5 - 2], ARGV[i * 5 - 1], ARGV[i * 5]
  redis.call('SET', KEYS[i], value, 'PX', life)
  if untilTime == '' then redis.call('ZREM', held, name) else redis.call('ZADD', held, untilTime, name) end
end
redis.call('PEXPIRE', held, ${HELD_FOR_MS})
return 1`;

type Commands = { abuse_write(keys: number, ...args: (string | number)[]): Promise<number> };

@Injectable()
export class RedisStateStore extends StateStore {
  constructor(@InjectRedis() private readonly redis: Redis) {
    super();
    redis.defineCommand('abuse_write', { lua: WRITE });
  }

  async read(keys: readonly string[]): Promise<Found[]> {
    const values = await asking(this.redis.mget(keys.map((key) => PREFIX + key)));
    return values.map((value) => ({
      text: value?.slice(TAG_LENGTH) ?? null,
      tag: value?.slice(0, TAG_LENGTH) ?? null,
    }));
  }

  async write(changes: readonly Change[]): Promise<boolean> {
    const keys = [...changes.map(({ key }) => PREFIX + key), HELD];
    const args = changes.flatMap(({ key, tag, text, ttlMs, heldUntil }) => [
      ...[key, tag ?? '', randomUUID() + text, Math.ceil(ttlMs), heldUntil ?? ''],
    ]);
    const commands = this.redis as unknown as Commands;
    return (await asking(commands.abuse_write(keys.length, ...keys, ...args))) === 1;
  }

  async held(now: number, limit: number): Promise<{ key: string; text: string }[]> {
    const keys = await asking(
      this.redis.zrange(HELD, '+inf', `(${now}`, 'BYSCORE', 'REV', 'LIMIT', 0, limit),
    );
    if (keys.length === 0) return [];
    const found = await this.read(keys);
    return keys.flatMap((key, i) => {
      const text = found[i]?.text;
      return text ? [{ key, text }] : [];
    });
  }

  /** Redis forgets the states by itself, but not what it was told of their holds. */
  async purge(): Promise<void> {
    await asking(this.redis.zremrangebyscore(HELD, '-inf', Date.now()));
  }
}
