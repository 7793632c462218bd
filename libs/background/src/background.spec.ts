import { setTimeout as wait } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Unavailable } from '#errors';
import { freshDatabase, freshRedis } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { waitFor } from '../../../test/support/wait.js';
import { type BackgroundOptions, BackgroundService, type TaskHandler } from './background.service.js';
import { backOffMs, GiveUp, TryAgain } from './retries.js';
import type { TaskQueue } from './task-queue.js';
import { PostgresTaskQueue } from './task-queue.postgres.js';
import { RedisTaskQueue } from './task-queue.redis.js';

Logger.overrideLogger(false);

/** A server that tasks can wait in, and ways around the queue. */
interface Opened {
  readonly wire: TcpProxy;
  openQueue(): TaskQueue;
  /** Everything that the server holds, as text. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

const drivers = [
  { name: 'Postgres', open: openOnPostgres },
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Redis', open: openOnRedis }] : []),
];

const SECRET = 'password=hunter2';

/** Long enough for five tries, or for a task to be missed by the others, on a busy machine. */
const PATIENCE_MS = 25_000;

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));
const never = () => new Promise<void>(() => {});

interface Data {
  readonly n: number;
}

/** Does with a task whatever the test says, and remembers it. */
class Handler implements TaskHandler<Data> {
  readonly began: { data: Data; at: number }[] = [];
  readonly done: number[] = [];
  readonly givenUp: [Data, string][] = [];

  constructor(
    private readonly work: (data: Data, round: number) => unknown = () => {},
    private readonly farewell: () => Promise<void> = async () => {},
  ) {}

  /** The milliseconds from each try of a task to its next. */
  waits(n: number): number[] {
    const tries = this.began.filter(({ data }) => data.n === n);
    return tries.slice(1).map(({ at }, i) => at - (tries[i]?.at ?? 0));
  }

  async run(data: Data): Promise<void> {
    this.began.push({ data, at: Date.now() });
    await this.work(data, this.began.length);
    this.done.push(data.n);
  }

  async gaveUp(data: Data, reason: string): Promise<void> {
    this.givenUp.push([data, reason]);
    await this.farewell();
  }
}

describe('backOffMs', () => {
  it.each([
    [1, 0.5, 500],
    [2, 0.5, 1_000],
    [3, 0.5, 2_000],
    [4, 0.5, 4_000],
    [5, 0.5, 8_000],
    [6, 0.5, 8_000],
    [100, 0.5, 8_000],
    [1, 0, 400],
    [1, 1, 600],
    [5, 1, 9_600],
  ])('after %d tries, at random %d, is %d ms', (tries, random, ms) => {
    expect(backOffMs(tries, undefined, random)).toBe(ms);
  });

  it('waits for as long as it was asked to, and for no less than it would', () => {
    expect(backOffMs(1, new TryAgain('later', { afterMs: 30_000 }), 0.5)).toBe(30_000);
    expect(backOffMs(1, new TryAgain('soon', { afterMs: 10 }), 0.5)).toBe(500);
    expect(backOffMs(1, Object.assign(new Error('unforeseen'), { afterMs: 30_000 }), 0.5)).toBe(500);
  });
});

describe.each(drivers)('BackgroundService on $name', ({ open }) => {
  let server: Opened;
  let observer: TaskQueue;
  let started: Set<BackgroundService>;

  beforeEach(async () => {
    server = await open();
    observer = server.openQueue();
    observer.queue.on('error', () => {});
    started = new Set();
  });
  afterEach(async () => {
    await Promise.all([...started].map(stop));
    await observer.close();
    await server.close();
  });

  async function start(
    handler: Handler,
    options: Partial<BackgroundOptions> = {},
  ): Promise<BackgroundService> {
    const service = new BackgroundService(server.openQueue(), {
      inProcess: true,
      drainTimeoutMs: 1_000,
      ...options,
    });
    service.register('note', handler);
    started.add(service);
    await service.onApplicationBootstrap();
    return service;
  }

  async function stop(service: BackgroundService): Promise<void> {
    started.delete(service);
    await service.onApplicationShutdown();
  }

  const enqueue = (service: BackgroundService, n: number, id = `task ${n}`) =>
    service.enqueue('note', id, { n });

  async function tasks(): Promise<number> {
    const counts = await observer.queue.getJobCounts();
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  const untilNothingIsLeft = () => waitFor('an empty queue', async () => (await tasks()) === 0, PATIENCE_MS);

  describe('enqueue', () => {
    it('has the task done, with its data', async () => {
      const handler = new Handler();
      await enqueue(await start(handler), 7);
      await untilNothingIsLeft();
      expect(handler.began.map(({ data }) => data)).toEqual([{ n: 7 }]);
    });

    it('adds an id once while its task waits or runs, and again afterwards', async () => {
      let finish = () => {};
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const handler = new Handler(() => finished);
      const accepting = await start(new Handler(), { inProcess: false });
      await Promise.all(times(10, () => enqueue(accepting, 1)));
      expect(await tasks()).toBe(1);

      await start(handler);
      await waitFor('the task', () => handler.began.length === 1);
      await enqueue(accepting, 1);
      expect(await tasks()).toBe(1);
      finish();
      await untilNothingIsLeft();
      expect(handler.done).toEqual([1]);

      await enqueue(accepting, 1);
      await untilNothingIsLeft();
      expect(handler.done).toEqual([1, 1]);
    });

    it('leaves the task to others in a process that does none', async () => {
      const [idle, busy] = [new Handler(), new Handler()];
      const accepting = await start(idle, { inProcess: false });
      await Promise.all(times(50, (n) => enqueue(accepting, n)));
      expect(await tasks()).toBe(50);

      await start(busy);
      await untilNothingIsLeft();
      expect(new Set(busy.done)).toEqual(new Set(times(50, (n) => n)));
      expect(idle.began).toEqual([]);
    });

    it('has each task done once by several processes', async () => {
      const handlers = times(3, () => new Handler());
      const services = await Promise.all(handlers.map((handler) => start(handler)));
      await Promise.all(times(100, (n) => enqueue(services[n % 3] as BackgroundService, n)));
      await untilNothingIsLeft();
      const done = handlers.flatMap((handler) => handler.done);
      expect(done.toSorted((a, b) => a - b)).toEqual(times(100, (n) => n));
    });

    it.each(['cut', 'blackHole'] as const)(
      'is unavailable without its server (%s), and available again with it',
      async (trouble) => {
        const handler = new Handler();
        const service = await start(handler);
        await enqueue(service, 1);
        await untilNothingIsLeft();

        server.wire[trouble]();
        await expect(enqueue(service, 2)).rejects.toThrow(Unavailable);
        server.wire.heal();
        await waitFor(
          'an answer',
          () =>
            enqueue(service, 3).then(
              () => true,
              () => false,
            ),
          PATIENCE_MS,
        );
        await waitFor('its task', () => handler.done.includes(3), PATIENCE_MS);
      },
    );
  });

  describe('a task that fails', () => {
    it('is tried again, no sooner than it asked for', async () => {
      const handler = new Handler((_, round) => {
        if (round === 1) throw new TryAgain('the provider is busy', { afterMs: 2_000 });
      });
      await enqueue(await start(handler), 1);
      await untilNothingIsLeft();
      expect(handler.began).toHaveLength(2);
      expect(handler.waits(1)[0]).toBeGreaterThanOrEqual(2_000);
      expect(handler.done).toEqual([1]);
      expect(handler.givenUp).toEqual([]);
    });

    it('is tried again with the data that it asks for', async () => {
      const handler = new Handler((data) => {
        if (data.n < 3) throw new TryAgain('not yet', { data: { n: data.n + 1 } });
      });
      await enqueue(await start(handler), 1);
      await untilNothingIsLeft();
      expect(handler.began.map(({ data }) => data.n)).toEqual([1, 2, 3]);
    });

    it('is not tried again when it gives up', async () => {
      const handler = new Handler(() => {
        throw new GiveUp('the number does not exist');
      });
      await enqueue(await start(handler), 1);
      await untilNothingIsLeft();
      expect(handler.began).toHaveLength(1);
      expect(handler.givenUp).toEqual([[{ n: 1 }, 'the number does not exist']]);
    });

    it('is given up after the fifth try, whether or not the failure was foreseen', async () => {
      const handler = new Handler(({ n }) => {
        throw n === 1 ? new TryAgain('the provider is away') : new TypeError('unforeseen');
      });
      const service = await start(handler);
      await Promise.all([enqueue(service, 1), enqueue(service, 2)]);
      await untilNothingIsLeft();
      for (const n of [1, 2]) {
        const waits = handler.waits(n);
        expect(waits).toHaveLength(4);
        for (const [i, shortest] of [400, 800, 1_600, 3_200].entries())
          expect(waits[i]).toBeGreaterThanOrEqual(shortest);
        expect(handler.givenUp).toContainEqual([{ n }, 'failed 5 times']);
      }
      expect(handler.givenUp).toHaveLength(2);
    });

    it('keeps its errors out of the queue', async () => {
      const unforeseen = () => {
        throw new Error(SECRET, { cause: new Error(SECRET) });
      };
      const handler = new Handler(
        (_, round) => {
          if (round === 1) unforeseen();
          throw new GiveUp('for good');
        },
        unforeseen as () => never,
      );
      await enqueue(await start(handler), 1);
      for (const round of [1, 2]) {
        await waitFor('the failure', async () => {
          const { active, delayed } = await observer.queue.getJobCounts('active', 'delayed');
          return handler.began.length === round && active === 0 && delayed === 1;
        });
        const everything = await server.dump();
        expect(everything).toContain('task 1');
        expect(everything).toContain('unforeseen');
        expect(everything).not.toContain(SECRET);
      }
    });
  });

  describe('a shutdown', () => {
    it('finishes what waits, and what it has begun', async () => {
      const handler = new Handler(() => wait(100));
      const service = await start(handler, { drainTimeoutMs: PATIENCE_MS });
      const all = times(2 * observer.concurrency, (n) => n);
      await Promise.all(all.map((n) => enqueue(service, n)));
      await stop(service);
      expect(handler.done.toSorted((a, b) => a - b)).toEqual(all);
    });

    it('finishes what it has begun, and begins nothing that could take too long', async () => {
      const handler = new Handler(() => wait(500));
      const service = await start(handler, { drainTimeoutMs: 6_000 });
      const all = times(observer.concurrency + 10, (n) => n);
      await Promise.all(all.map((n) => enqueue(service, n)));
      await waitFor('all hands full', () => handler.began.length >= observer.concurrency);
      await stop(service);
      expect(handler.done).toHaveLength(handler.began.length);
      expect(handler.done.length + (await tasks())).toBe(all.length);
    });

    it('leaves to the next process what it cannot finish in time', async () => {
      const stuck = new Handler(never);
      const service = await start(stuck, { drainTimeoutMs: 500 });
      const all = times(observer.concurrency + 10, (n) => n);
      await Promise.all(all.map((n) => enqueue(service, n)));
      await waitFor('all hands full', () => stuck.began.length === observer.concurrency);
      await stop(service);
      expect(stuck.began).toHaveLength(observer.concurrency);

      const next = new Handler();
      await start(next);
      await untilNothingIsLeft();
      expect(next.done.toSorted((a, b) => a - b)).toEqual(all);
    });

    it('waits for the work of the process', async () => {
      const service = await start(new Handler(), { drainTimeoutMs: PATIENCE_MS });
      const done: string[] = [];
      service.run('a note', async () => {
        await wait(300);
        done.push('a note');
      });
      service.run('a failure', () => Promise.reject(new Error('unforeseen')));
      await stop(service);
      expect(done).toEqual(['a note']);
    });

    it.each(['whole', 'cut', 'blackHole'] as const)(
      'does not wait for ever (the wire to the server: %s)',
      async (wire) => {
        const handler = new Handler(never);
        const service = await start(handler, { drainTimeoutMs: 200 });
        service.run('something endless', never);
        await enqueue(service, 1);
        await waitFor('the task', () => handler.began.length === 1);
        if (wire !== 'whole') server.wire[wire]();
        await stop(service);
        server.wire.heal();
      },
    );
  });

  describe('every', () => {
    it('repeats work, one at a time, until the shutdown', async () => {
      let [under, most, count] = [0, 0, 0];
      const service = await start(new Handler());
      service.every(10, 'count', async () => {
        under += 1;
        most = Math.max(most, under);
        await wait(50);
        under -= 1;
        count += 1;
      });
      await waitFor('three rounds', () => count === 3);
      await stop(service);
      expect(most).toBe(1);
      expect(under).toBe(0);

      const [atTheEnd, another] = [count, jest.fn(async () => {})];
      (await start(new Handler())).every(10, 'count', another);
      await waitFor('ten rounds elsewhere', () => another.mock.calls.length >= 10);
      expect(count).toBe(atTheEnd);
    });

    it('goes on after a failure', async () => {
      const work = jest.fn(() => Promise.reject(new Error('unforeseen')));
      (await start(new Handler())).every(10, 'fail', work);
      await waitFor('another try', () => work.mock.calls.length >= 3);
    });

    it('repeats nothing in a process that does no tasks', async () => {
      const [idle, busy] = [jest.fn(async () => {}), jest.fn(async () => {})];
      (await start(new Handler(), { inProcess: false })).every(10, 'count', idle);
      (await start(new Handler())).every(10, 'count', busy);
      await waitFor('ten rounds elsewhere', () => busy.mock.calls.length >= 10);
      expect(idle).not.toHaveBeenCalled();
    });
  });
});

describe('A queue on Postgres', () => {
  it('ends the start when it loses its Postgres in that moment', async () => {
    const server = await openOnPostgres();
    server.wire.cut();
    const service = new BackgroundService(server.openQueue(), { inProcess: true, drainTimeoutMs: 200 });
    await expect(service.onApplicationBootstrap()).rejects.toThrow(/\w/);
    await service.onApplicationShutdown();
    await server.close();
  });
});

async function openOnPostgres(): Promise<Opened> {
  const database = await freshDatabase();
  const wire = await TcpProxy.before(database.url);
  return {
    wire,
    openQueue: () => new PostgresTaskQueue(wire.url),
    dump: async () => {
      const tables = await database.query<{ name: string }>(
        `select tablename as name from pg_tables where schemaname = 'bullmq'`,
      );
      const rows = tables.map(({ name }) => database.query(`select t::text from bullmq."${name}" t`));
      return JSON.stringify(await Promise.all(rows));
    },
    close: async () => {
      await wire.close();
      await database.drop();
    },
  };
}

async function openOnRedis(): Promise<Opened> {
  const url = await freshRedis();
  const wire = await TcpProxy.before(url);
  const redis = new Redis(url);
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, 0, -1),
    hash: (key) => redis.hgetall(key),
    stream: (key) => redis.xrange(key, '-', '+'),
  };
  return {
    wire,
    openQueue: () => new RedisTaskQueue(wire.url),
    dump: async () => {
      const keys = await redis.keys('*');
      const values = keys.map(async (key) => [key, await read[await redis.type(key)]?.(key)]);
      return JSON.stringify(await Promise.all(values));
    },
    close: async () => {
      redis.disconnect();
      await wire.close();
    },
  };
}
