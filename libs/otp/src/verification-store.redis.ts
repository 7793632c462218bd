import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { asking, defineScripts, RedisHealth, type ScriptArgument } from '#redis';
import type { Delivery, DeliveryChange } from './delivery.js';
import {
  NO_CHARGE,
  type Purpose,
  type SignUpClient,
  type Verification,
  type VerificationId,
} from './verification.js';
import {
  type ClientAttempts,
  type CountedAttempt,
  clientsOf,
  created,
  KEPT_AFTER_EXPIRY_MS,
  MAX_FOUND_BY_NUMBER,
  type NewClient,
  type NewVerification,
  type QueuedMessage,
  type Resend,
  type StoredVerification,
  VerificationStore,
} from './verification-store.js';

/**
 * One hash per verification, one list of the newest per number, one per number, purpose and device, and two sorted sets by
 * time.
 */
const key = {
  verification: (id: string) => `latchkey:verification:${id}`,
  newest: (purpose: Purpose, phoneIndex: string, device: string | null) =>
    `latchkey:newest:${purpose}:${phoneIndex}:${device ?? ''}`,
  ofNumber: (phoneIndex: string) => `latchkey:verifications-of:${phoneIndex}`,
  queuedMessages: 'latchkey:unsent',
  mayFallBack: 'latchkey:undecided',
};

/** Prefixes of the fields for each client of a sign-up. */
const CLIENT = 'client:';
const ATTEMPTS_BY = 'attempts:';

const SCRIPTS = [
  'open',
  'find',
  'find_open',
  'resend',
  'attempt',
  'claim',
  'approve',
  'release',
  'exhaust',
  'cancel',
  'change_delivery',
  'queued_messages',
  'overdue',
] as const;
type Script = (typeof SCRIPTS)[number];

/** The reply of the script `attempt`. */
type AttemptReply = [readAt: number, attemptsLeft: number, version: number, ...attempts: number[]];

/** The result of `row()` in the scripts. */
type Row = [fields: string[], readAt: string];

@Injectable()
export class RedisVerificationStore extends VerificationStore {
  readonly addsTasks = false;
  readonly joinsSessions = false;
  private readonly run;

  constructor(
    @InjectRedis() private readonly redis: Redis,
    private readonly health: RedisHealth,
  ) {
    super();
    const folder = join(import.meta.dirname, 'redis-scripts');
    this.run = defineScripts(redis, { folder, prefix: 'verification', names: SCRIPTS, prelude: 'prelude' });
  }

  ready(): Promise<void> {
    return this.health.requireWrites();
  }

  async open(v: NewVerification): Promise<StoredVerification> {
    const { id, purpose, phoneIndex, name, locale, appHash, device, ticket } = v;
    const fields = {
      id,
      purpose,
      phoneIndex,
      phoneSealed: v.phoneSealed,
      codeLength: v.codeLength,
      secretId: v.secretId,
      attemptsLeft: v.maxAttempts,
      fallback: fallbackOf(v.hasFallback),
      charges: v.charge ?? NO_CHARGE,
      ...routeFields(v.route),
      ...(v.sessionId && { sessionId: v.sessionId }),
      ...(v.apiClient && { apiClient: v.apiClient }),
      ...(name !== null && { name }),
      ...(locale !== null && { locale }),
      ...(appHash !== null && { appHash }),
      ...(device !== null && { device }),
      ...(ticket !== null && { tickets: ticket }),
      ...clientField(v.client),
    };
    const times = [v.ttlMs, v.resendAfterMs, KEPT_AFTER_EXPIRY_MS];
    const args = [...times, MAX_FOUND_BY_NUMBER, ...Object.entries(fields).flat()];
    const lists = [key.newest(purpose, phoneIndex, device), key.ofNumber(phoneIndex)];
    return created(v, dateOf(await this.reply('open', id, args, lists)));
  }

  find(id: VerificationId) {
    return this.row('find', id);
  }

  async findOpen(purpose: Purpose, phoneIndex: string, device: string | null): Promise<StoredVerification[]> {
    const ids = await asking(this.redis.lrange(key.newest(purpose, phoneIndex, device), 0, -1));
    const found = await Promise.all(ids.map((id) => this.row('find_open', id)));
    return found.filter((verification) => verification !== null);
  }

  async findByNumber(phoneIndex: string, limit: number): Promise<StoredVerification[]> {
    const ids = await asking(this.redis.lrange(key.ofNumber(phoneIndex), 0, limit - 1));
    return this.findAll(ids as VerificationId[]);
  }

  /** The sorted sets forget a verification that does not exist when they are read. */
  async deleteByNumber(phoneIndex: string): Promise<void> {
    const ids = await asking(this.redis.lrange(key.ofNumber(phoneIndex), 0, -1));
    await asking(this.redis.del(key.ofNumber(phoneIndex), ...ids.map(key.verification)));
  }

  resend(id: VerificationId, message: Resend) {
    const { resendAfterMs, name, locale, appHash, ticket, charge, route, hasFallback, client } = message;
    const { channel, provider } = route;
    const sent = [name ?? '', ticket ?? '', channel, provider, fallbackOf(hasFallback), charge ?? NO_CHARGE];
    const kept = [appHash ?? '', locale ?? '', ...Object.entries(clientField(client)).flat()];
    return this.row('resend', id, [resendAfterMs, ...sent, ...kept]);
  }

  async attempt(id: VerificationId, by: ClientAttempts | null = null): Promise<CountedAttempt | null> {
    const counted: [name: string, limit: number][] = [];
    if (by) counted.push([by.client, by.limit]);
    if (by?.group) counted.push([by.group.name, by.group.limit]);
    const args = counted.flatMap(([name, limit]) => [ATTEMPTS_BY + name, limit]);
    const reply = (await this.reply('attempt', id, args)) as string[] | null;
    if (reply === null) return null;
    const [readAt, attemptsLeft, version, ...attempts] = reply.map(Number) as AttemptReply;
    const attemptsBy = Object.fromEntries(counted.map(([name], i) => [name, attempts[i] as number]));
    return { attemptsLeft, attemptsBy, version, readAt: new Date(readAt) };
  }

  async claim(id: VerificationId, leaseMs: number, by: ClientAttempts | null = null): Promise<boolean> {
    const counted = by ? [by.client, ...(by.group ? [by.group.name] : [])] : [];
    const fields = counted.map((name) => ATTEMPTS_BY + name);
    return (await this.reply('claim', id, [leaseMs, ...fields])) !== null;
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
    return (await this.reply('cancel', id)) !== null;
  }

  async changeDelivery(id: VerificationId, version: number, change: DeliveryChange): Promise<Date | null> {
    const { addsMessage, reason, providerId, status, retried, route, fallback } = change;
    const fields = { fallback, delivery: status, retried: Number(retried), ...routeFields(route) };
    const changedAt = await this.reply('change_delivery', id, [
      ...[version, Number(addsMessage), reason ?? '', providerId ?? '', change.charge ?? NO_CHARGE],
      ...Object.entries(fields).flat(),
    ]);
    return changedAt === null ? null : dateOf(changedAt);
  }

  async queuedMessages(olderThanMs: number, limit: number, offset = 0): Promise<QueuedMessage[]> {
    const messages = await this.oldest('queued_messages', olderThanMs, limit, offset);
    return messages.map((message) => {
      const [id, messageNumber] = message.split('.') as [VerificationId, string];
      return { id, messageNumber: Number(messageNumber) };
    });
  }

  async overdue(olderThanMs: number, limit: number): Promise<VerificationId[]> {
    return (await this.oldest('overdue', olderThanMs, limit)) as VerificationId[];
  }

  async findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]> {
    const found = await Promise.all(ids.map((id) => this.find(id)));
    return found.filter((verification) => verification !== null);
  }

  /** Does nothing: Redis expires verifications by itself. */
  async purge(): Promise<void> {}

  private async oldest(
    script: 'queued_messages' | 'overdue',
    olderThanMs: number,
    limit: number,
    offset = 0,
  ): Promise<string[]> {
    return (await this.reply(script, '', [olderThanMs, limit, key.verification(''), offset])) as string[];
  }

  private async row(script: Script, id: string, args: ScriptArgument[] = [], keys: string[] = []) {
    const row = (await this.reply(script, id, args, keys)) as Row | null;
    return row ? toVerification(row) : null;
  }

  private reply(
    script: Script,
    id: string,
    args: ScriptArgument[] = [],
    keys: string[] = [],
  ): Promise<unknown> {
    return this.run(script, [key.verification(id), key.queuedMessages, key.mayFallBack, ...keys], args);
  }
}

function clientField(client: NewClient | null | undefined): Record<string, string> {
  const clients = Object.entries(clientsOf(client));
  return Object.fromEntries(clients.map(([id, values]) => [CLIENT + id, JSON.stringify(values)]));
}

function dateOf(milliseconds: unknown): Date {
  return new Date(Number(milliseconds));
}

/** The provider's field has an older name. */
function routeFields({ channel, provider }: Verification['route']) {
  return { channel, sender: provider };
}

function fallbackOf(hasFallback: boolean): Delivery['fallback'] {
  return hasFallback ? 'open' : 'none';
}

/** The stored status records decisions only; the time and the attempts give the rest. */
function statusAt(now: number, fields: ReadonlyMap<string, string>): Verification['status'] {
  const stored = fields.get('status') as Verification['status'];
  if (stored !== 'pending') return stored;
  if (Number(fields.get('claimedUntil') ?? 0) > now) return 'approved';
  if (Number(fields.get('expiresAt')) <= now) return 'expired';
  return fields.get('attemptsLeft') === '0' ? 'max_attempts_reached' : 'pending';
}

function toVerification([flat, readAt]: Row): StoredVerification {
  const fields = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i] as string, flat[i + 1] as string);
  const text = <Text extends string>(field: string) => fields.get(field) as Text;
  const number = (field: string) => Number(text(field));
  const date = (field: string) => new Date(number(field));
  const members = <T>(prefix: string, read: (value: string) => T) =>
    Object.fromEntries(
      [...fields]
        .filter(([field]) => field.startsWith(prefix))
        .map(([field, value]) => [field.slice(prefix.length), read(value)]),
    );
  return {
    id: text('id'),
    purpose: text('purpose'),
    phoneIndex: text('phoneIndex'),
    phoneSealed: text('phoneSealed'),
    sessionId: fields.get('sessionId') ?? null,
    apiClient: fields.get('apiClient') ?? null,
    name: fields.get('name') ?? null,
    locale: fields.get('locale') ?? null,
    appHash: fields.get('appHash') ?? null,
    route: { channel: text('channel'), provider: text('sender') },
    device: fields.get('device') ?? null,
    tickets: (fields.get('tickets') ?? '').split(' ').filter(Boolean),
    charges: (fields.get('charges') ?? '').split(' ').filter(Boolean),
    codeLength: number('codeLength'),
    secretId: text('secretId'),
    status: statusAt(Number(readAt), fields),
    attemptsLeft: number('attemptsLeft'),
    clients: members(CLIENT, (value) => JSON.parse(value) as SignUpClient),
    attemptsBy: members(ATTEMPTS_BY, Number),
    createdAt: date('createdAt'),
    expiresAt: date('expiresAt'),
    resendAt: date('resendAt'),
    messageCount: number('sends'),
    delivery: {
      status: text('delivery'),
      reason: fields.get('reason') ?? null,
      providerId: fields.get('providerId') ?? null,
      firstMessage: number('first'),
      retried: text('retried') === '1',
      fallback: text('fallback'),
      requestedAt: date('requestedAt'),
      updatedAt: date('deliveryUpdatedAt'),
      version: number('version'),
    },
    readAt: new Date(Number(readAt)),
  };
}
