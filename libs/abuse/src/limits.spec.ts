import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { RateLimited, Unavailable } from '#errors';
import { Keys, nameSecret } from '#keys';
import { Database } from '#postgres';
import { connectRedis, quickOptions } from '#redis';
import { freshDatabase, freshRedis } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { waitFor } from '../../../test/support/wait.js';
import type { LimiterStore } from './limiter-store.js';
import { PostgresLimiterStore } from './limiter-store.postgres.js';
import { RedisLimiterStore } from './limiter-store.redis.js';
import { coolDownMs, Limits } from './limits.js';

Logger.overrideLogger(false);

const HOUR = 3_600_000;

/** A store on its server, and ways around it. */
interface Opened {
  readonly store: LimiterStore;
  readonly wire: TcpProxy;
  /** Everything that is counted, by key, with the milliseconds until it is forgotten. */
  counts(): Promise<[key: string, forgottenInMs: number][]>;
  /** Makes it so much later for everything that is counted. */
  age(ms: number): Promise<unknown>;
  close(): Promise<void>;
}

const drivers = [
  { name: 'Postgres', open: openOnPostgres },
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Redis', open: openOnRedis }] : []),
];

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));
const someNumber = () => randomBytes(32).toString('base64url');

describe('coolDownMs', () => {
  it.each([
    [0, 30_000],
    [1, 60_000],
    [2, 120_000],
    [3, 120_000],
    [1_000, 120_000],
  ])('makes a number that had %d messages wait %d ms', (messages, waitMs) => {
    expect(coolDownMs({ coolDownsMs: [30_000, 60_000, 120_000] }, messages)).toBe(waitMs);
  });
});

describe.each(drivers)('Limits on $name', ({ open }) => {
  let server: Opened;

  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server.close());

  const limitsOf = (...coolDownsMs: number[]) => new Limits(server.store, { coolDownsMs });
  const rejection = (limits: Limits, number: string) =>
    limits.admitMessage(number).then(
      () => null,
      (error: RateLimited) => error,
    );

  it('makes a number wait, and longer each time', async () => {
    const limits = limitsOf(1_000, 2_000, HOUR);
    const number = someNumber();
    const admit = () => waitFor('an admission', () => limits.admitMessage(number).catch(() => null));

    const start = Date.now();
    expect(await admit()).toBeLessThanOrEqual(1_000);
    const second = await admit();
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_000);
    expect(second).toBeGreaterThan(1_000);
    expect(second).toBeLessThanOrEqual(2_000);
    const third = await admit();
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_000);
    expect(third).toBeGreaterThan(2_000);
    expect(third).toBeLessThanOrEqual(HOUR);
  });

  it('counts no message that it did not admit', async () => {
    const limits = limitsOf(1_000, HOUR / 2, HOUR);
    const number = someNumber();
    await limits.admitMessage(number);
    for (let i = 0; i < 10; i += 1) await rejection(limits, number);
    const second = await waitFor('an admission', () => limits.admitMessage(number).catch(() => null));
    expect(second).toBeLessThanOrEqual(HOUR / 2);
  });

  it('admits one of fifty at once', async () => {
    const limits = limitsOf(HOUR);
    const number = someNumber();
    const rejections = await Promise.all(times(50, () => rejection(limits, number)));
    expect(rejections.filter((error) => error === null)).toHaveLength(1);
    expect(rejections.filter((error) => error instanceof RateLimited)).toHaveLength(49);
  });

  it('names the limit that refused, and the seconds left', async () => {
    const limits = limitsOf(HOUR);
    const number = someNumber();
    const waitMs = await limits.admitMessage(number);
    const refusal = await rejection(limits, number);
    expect(refusal).toBeInstanceOf(RateLimited);
    expect(refusal?.limit).toBe('cool_down');
    expect(refusal?.retryAfterSeconds).toBeGreaterThan(3_000);
    expect(refusal?.retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(waitMs / 1_000));
    expect(refusal?.extensions).toEqual({ limit: 'cool_down', retry_after: refusal?.retryAfterSeconds });
  });

  it('lets no number wait for another', async () => {
    const limits = limitsOf(HOUR);
    await limits.admitMessage(someNumber());
    expect(await limits.admitMessage(someNumber())).toBeLessThanOrEqual(HOUR);
  });

  it('counts for all processes together', async () => {
    const number = someNumber();
    await limitsOf(HOUR).admitMessage(number);
    expect(await rejection(limitsOf(HOUR), number)).toBeInstanceOf(RateLimited);
  });

  it('begins anew with a number that was left in peace for an hour', async () => {
    const limits = limitsOf(1_000, 2_000);
    const number = someNumber();
    await limits.admitMessage(number);
    await server.age(HOUR);
    expect(await limits.admitMessage(number)).toBeLessThanOrEqual(1_000);
  });

  it('keeps neither a phone number nor anything for longer than it needs', async () => {
    const number = '+14155550123';
    const key = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test')).indexOf(
      number,
    );
    await limitsOf(HOUR).admitMessage(key);
    const counts = await server.counts();
    expect(JSON.stringify(counts)).not.toContain(number.slice(1));
    const ours = counts.filter(([name]) => name.includes(key));
    expect(ours).toHaveLength(2);
    for (const [, forgottenInMs] of ours) {
      expect(forgottenInMs).toBeGreaterThan(0);
      expect(forgottenInMs).toBeLessThanOrEqual(HOUR);
    }
  });

  it('forgets what is over, and nothing else', async () => {
    const [over, waiting] = [someNumber(), someNumber()];
    await limitsOf(HOUR).admitMessage(over);
    await server.age(HOUR);
    await limitsOf(HOUR).admitMessage(waiting);
    await limitsOf(HOUR).purge();
    const keys = (await server.counts()).map(([key]) => key);
    expect(keys.filter((key) => key.includes(over))).toEqual([]);
    expect(keys.filter((key) => key.includes(waiting))).toHaveLength(2);
    expect(await rejection(limitsOf(HOUR), waiting)).toBeInstanceOf(RateLimited);
  });

  it('admits nobody without its server', async () => {
    const away = await open();
    const limits = new Limits(away.store, { coolDownsMs: [1_000] });
    const number = someNumber();
    await limits.admitMessage(number);
    away.wire.cut();
    expect(await rejection(limits, number)).toBeInstanceOf(Unavailable);
    expect(await rejection(limits, someNumber())).toBeInstanceOf(Unavailable);
    await away.close();
  });
});

async function openOnPostgres(): Promise<Opened> {
  const database = await freshDatabase();
  const wire = await TcpProxy.before(database.url);
  const source = await new DataSource({ type: 'postgres', url: wire.url, poolSize: 10 }).initialize();
  return {
    wire,
    store: new PostgresLimiterStore(new Database(source)),
    counts: async () => {
      const rows = await database.query<{ key: string; expire: string }>('select key, expire from limits');
      return rows.map(({ key, expire }) => [key, Number(expire) - Date.now()]);
    },
    age: (ms) => database.query('update limits set expire = expire - $1::bigint', [ms]),
    close: async () => {
      await source.destroy();
      await wire.close();
      await database.drop();
    },
  };
}

async function openOnRedis(): Promise<Opened> {
  const wire = await TcpProxy.before(await freshRedis());
  const redis = connectRedis(wire.url, { ...quickOptions, disconnectTimeout: 1 });
  await once(redis, 'ready');
  const counts = async () => {
    const keys = await redis.keys('*');
    return Promise.all(keys.map(async (key): Promise<[string, number]> => [key, await redis.pttl(key)]));
  };
  return {
    wire,
    store: new RedisLimiterStore(redis),
    counts,
    age: async (ms) => {
      for (const [key, forgottenInMs] of await counts()) await redis.pexpire(key, forgottenInMs - ms);
    },
    close: async () => {
      redis.disconnect();
      await wire.close();
    },
  };
}
