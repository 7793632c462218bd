import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { asking } from '#redis';
import type { Delivery, DeliveryChange, DeliveryStatus } from './delivery.js';
import type { Purpose, VerificationId } from './verification.js';
import {
  KEPT_AFTER_EXPIRY_MS,
  type NewVerification,
  type Resend,
  type StoredVerification,
  type Unsent,
  VerificationStore,
} from './verification-store.js';

/**
 * One hash per verification, one list of the newest per number and purpose, and two sorted sets by time: messages that
 * are queued, and verifications whose message may still take another way.
 */
const key = {
  verification: (id: string) => `latchkey:verification:${id}`,
  newest: (purpose: Purpose, phoneIndex: string, device: string | null) =>
    `latchkey:newest:${purpose}:${phoneIndex}:${device ?? ''}`,
  unsent: 'latchkey:unsent',
  undecided: 'latchkey:undecided',
};

/**
 * Scripts run alone, so each decides and writes in one step. Times are milliseconds by Redis's clock;
 * they are formatted by hand because Lua would write large numbers as 1.7e+12.
 */
const PRELUDE = `
local function text(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function get(field) return redis.call('HGET', KEYS[1], field) end
local function set(...) redis.call('HSET', KEYS[1], ...) end
local function unclaimed() return tonumber(get('claimedUntil') or '0') <= now end
local function pending() return get('status') == 'pending' and tonumber(get('expiresAt')) > now and unclaimed() end
local function open() return pending() and tonumber(get('attemptsLeft')) > 0 end
local function row()
  if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
  local status = get('status')
  if status == 'pending' then
    if not unclaimed() then status = 'approved'
    elseif tonumber(get('expiresAt')) <= now then status = 'expired'
    elseif tonumber(get('attemptsLeft')) == 0 then status = 'max_attempts_reached' end
  end
  return { status, redis.call('HGETALL', KEYS[1]) }
end
local function member() return get('id') .. '.' .. get('sends') end
-- Puts the verification into the sorted sets that its delivery asks for.
local function file()
  local delivery = get('delivery')
  if delivery == 'queued' then redis.call('ZADD', KEYS[2], get('deliveryUpdatedAt'), member())
  else redis.call('ZREM', KEYS[2], member()) end
  if get('fallback') == 'open' and (delivery == 'queued' or delivery == 'accepted') then
    redis.call('ZADD', KEYS[3], get('requestedAt'), get('id'))
  else redis.call('ZREM', KEYS[3], get('id')) end
end
local function living(set)
  local found = {}
  for _, member in ipairs(redis.call('ZRANGE', set, 0, text(now - ARGV[1]), 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
    if redis.call('EXISTS', ARGV[3] .. string.match(member, '^[^.]+')) == 1 then table.insert(found, member)
    else redis.call('ZREM', set, member) end
  end
  return found
end
local function queue(send)
  if get('sends') then redis.call('ZREM', KEYS[2], member()) end
  set('sends', send, 'first', send, 'delivery', 'queued', 'requestedAt', text(now), 'deliveryUpdatedAt', text(now),
    'retried', 0)
  redis.call('HDEL', KEYS[1], 'reason', 'providerId')
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  file()
end
`;

const SCRIPTS = {
  // KEYS: verification, unsent, undecided, newest. ARGV: ttl, resend after, kept after expiry, then the fields as they are.
  open: `
    redis.call('HSET', KEYS[1], unpack(ARGV, 4))
    set('status', 'pending', 'createdAt', text(now), 'expiresAt', text(now + ARGV[1]), 'resendAt', text(now + ARGV[2]))
    queue(1)
    redis.call('PEXPIRE', KEYS[1], text(ARGV[1] + ARGV[3]))
    redis.call('LPUSH', KEYS[4], get('id'))
    redis.call('LTRIM', KEYS[4], 0, 9)
    if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[4], ARGV[1]) end
    return row()`,
  find: 'return row()',
  findOpen: 'if not open() then return nil end return row()',
  resend: `
    if not open() then return nil end
    set('channel', ARGV[4], 'sender', ARGV[5])
    if get('fallback') ~= 'used' then set('fallback', ARGV[6]) end
    queue(tonumber(get('sends')) + 1)
    set('resendAt', text(now + ARGV[1]))
    if ARGV[2] ~= '' then set('name', ARGV[2]) end
    if ARGV[3] ~= '' then set('tickets', (get('tickets') or '') .. ' ' .. ARGV[3]) end
    return row()`,
  attempt: `
    if not open() then return nil end
    redis.call('HINCRBY', KEYS[1], 'attemptsLeft', -1)
    return row()`,
  claim: `
    if not pending() then return nil end
    redis.call('HINCRBY', KEYS[1], 'attemptsLeft', 1)
    set('claimedUntil', text(now + ARGV[1]))
    return row()`,
  approve: `if get('status') == 'pending' then set('status', 'approved') end`,
  release: `if get('status') == 'pending' then redis.call('HDEL', KEYS[1], 'claimedUntil') end`,
  exhaust: `if open() then set('attemptsLeft', 0) end`,
  cancel: `
    if not open() then return nil end
    set('status', 'canceled')
    return row()`,
  // ARGV: version, whether a message is new, reason, provider id, then fields. Of a verification that is gone nobody cares.
  changeDelivery: `
    if get('version') ~= ARGV[1] then return nil end
    redis.call('ZREM', KEYS[2], member())
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HINCRBY', KEYS[1], 'sends', ARGV[2])
    redis.call('HDEL', KEYS[1], 'reason', 'providerId')
    if ARGV[3] ~= '' then set('reason', ARGV[3]) end
    if ARGV[4] ~= '' then set('providerId', ARGV[4]) end
    set('deliveryUpdatedAt', text(now), unpack(ARGV, 5))
    if ARGV[2] == '1' then set('requestedAt', text(now)) end
    file()
    return row()`,
  // ARGV: older than, limit, and what a verification's key begins with. What is gone needs nobody's care any more.
  unsent: 'return living(KEYS[2])',
  overdue: 'return living(KEYS[3])',
} as const;

type Script = keyof typeof SCRIPTS;
type Reply = [status: string, fields: string[]] | null;
type Commands = Record<
  `verification_${Script}`,
  (keys: number, ...args: (string | number)[]) => Promise<unknown>
>;

@Injectable()
export class RedisVerificationStore extends VerificationStore {
  private readonly commands: Commands;

  constructor(@InjectRedis() private readonly redis: Redis) {
    super();
    for (const [name, body] of Object.entries(SCRIPTS)) {
      redis.defineCommand(`verification_${name}`, { lua: PRELUDE + body });
    }
    this.commands = redis as unknown as Commands;
  }

  async open(v: NewVerification): Promise<StoredVerification> {
    const { ttlMs, resendAfterMs, maxAttempts, name, locale, device, ticket, hasFallback, ...fields } = v;
    const opened = await this.row(
      'open',
      v.id,
      [
        ...[ttlMs, resendAfterMs, KEPT_AFTER_EXPIRY_MS, 'attemptsLeft', maxAttempts],
        ...Object.entries({
          ...fields,
          fallback: hasFallback ? 'open' : 'none',
          ...(name !== null && { name }),
          ...(locale !== null && { locale }),
          ...(device !== null && { device }),
          ...(ticket !== null && { tickets: ticket }),
        }).flat(),
      ],
      [key.newest(v.purpose, v.phoneIndex, device)],
    );
    return opened as StoredVerification;
  }

  find(id: VerificationId) {
    return this.row('find', id);
  }

  async findOpen(
    purpose: Purpose,
    phoneIndex: string,
    device: string | null,
  ): Promise<StoredVerification | null> {
    for (const id of await asking(this.redis.lrange(key.newest(purpose, phoneIndex, device), 0, -1))) {
      const found = await this.row('findOpen', id);
      if (found) return found;
    }
    return null;
  }

  resend(id: VerificationId, { resendAfterMs, name, ticket, channel, sender, hasFallback }: Resend) {
    const fallback = hasFallback ? 'open' : 'none';
    return this.row('resend', id, [resendAfterMs, name ?? '', ticket ?? '', channel, sender, fallback]);
  }

  attempt(id: VerificationId) {
    return this.row('attempt', id);
  }

  async claim(id: VerificationId, leaseMs: number): Promise<boolean> {
    return (await this.row('claim', id, [leaseMs])) !== null;
  }

  async approve(id: VerificationId): Promise<void> {
    await this.reply('approve', id);
  }

  async release(id: VerificationId): Promise<void> {
    await this.reply('release', id);
  }

  async exhaust(id: VerificationId): Promise<void> {
    await this.reply('exhaust', id);
  }

  async cancel(id: VerificationId): Promise<boolean> {
    return (await this.row('cancel', id)) !== null;
  }

  changeDelivery(id: VerificationId, version: number, change: DeliveryChange) {
    const { isNewSend, reason, providerId, status, retried, channel, sender, fallback } = change;
    const fields = { channel, sender, fallback, delivery: status, retried: Number(retried) };
    const args = [
      version,
      Number(isNewSend),
      reason ?? '',
      providerId ?? '',
      ...Object.entries(fields).flat(),
    ];
    return this.row('changeDelivery', id, args);
  }

  async unsent(olderThanMs: number, limit: number): Promise<Unsent[]> {
    const members = await this.living('unsent', olderThanMs, limit);
    return members.map((member) => {
      const [id, send] = member.split('.') as [VerificationId, string];
      return { id, send: Number(send) };
    });
  }

  async overdue(olderThanMs: number, limit: number): Promise<VerificationId[]> {
    return (await this.living('overdue', olderThanMs, limit)) as VerificationId[];
  }

  async findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]> {
    const found = await Promise.all(ids.map((id) => this.find(id)));
    return found.filter((verification) => verification !== null);
  }

  /** Redis forgets by itself. */
  async purge(): Promise<void> {}

  private async living(script: 'unsent' | 'overdue', olderThanMs: number, limit: number): Promise<string[]> {
    return (await this.reply(script, '', [olderThanMs, limit, key.verification('')])) as string[];
  }

  private async row(script: Script, id: string, args: (string | number)[] = [], keys: string[] = []) {
    const reply = (await this.reply(script, id, args, keys)) as Reply;
    return reply ? toVerification(reply) : null;
  }

  private reply(
    script: Script,
    id: string,
    args: (string | number)[] = [],
    keys: string[] = [],
  ): Promise<unknown> {
    const all = [key.verification(id), key.unsent, key.undecided, ...keys];
    return asking(this.commands[`verification_${script}`](all.length, ...all, ...args));
  }
}

function toVerification([status, flat]: NonNullable<Reply>): StoredVerification {
  const fields = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
  const text = (field: string) => fields.get(field) as string;
  const number = (field: string) => Number(text(field));
  const date = (field: string) => new Date(number(field));
  return {
    id: text('id') as VerificationId,
    purpose: text('purpose') as Purpose,
    phoneIndex: text('phoneIndex'),
    phoneSealed: text('phoneSealed'),
    name: fields.get('name') ?? null,
    locale: fields.get('locale') ?? null,
    channel: text('channel'),
    device: fields.get('device') ?? null,
    tickets: (fields.get('tickets') ?? '').split(' ').filter(Boolean),
    codeLength: number('codeLength'),
    secretId: text('secretId'),
    status: status as StoredVerification['status'],
    attemptsLeft: number('attemptsLeft'),
    createdAt: date('createdAt'),
    expiresAt: date('expiresAt'),
    resendAt: date('resendAt'),
    sends: number('sends'),
    delivery: {
      status: text('delivery') as DeliveryStatus,
      reason: fields.get('reason') ?? null,
      sender: text('sender'),
      providerId: fields.get('providerId') ?? null,
      first: number('first'),
      retried: text('retried') === '1',
      fallback: text('fallback') as Delivery['fallback'],
      requestedAt: date('requestedAt'),
      updatedAt: date('deliveryUpdatedAt'),
      version: number('version'),
    },
  };
}
