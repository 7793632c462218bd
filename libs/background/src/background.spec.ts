import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Unavailable } from '#errors';
import { Database, type Statement } from '#postgres';
import { freshDatabase, freshRedis, type TestDatabase } from '../../../test/support/databases.js';
import { dumpPostgres, dumpRedis } from '../../../test/support/dumps.js';
import { whileLocked } from '../../../test/support/outages.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { mapInFlight, times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { type BackgroundOptions, BackgroundService } from './background.service.js';
import { backOffMs, GiveUp, TryAgain } from './retries.js';
import type { TaskHandler } from './run-task.js';
import type { Task, TaskEnd, TaskQueue } from './task-queue.js';
import { PostgresTaskQueue } from './task-queue.postgres.js';
import { RedisTaskQueue } from './task-queue.redis.js';

Logger.overrideLogger(false);

/** The server of a queue, with access to it past the queue. */
interface QueueServer {
  readonly wire: TcpProxy;
  openQueue(): Promise<TaskQueue>;
  /** Returns everything that the server stores, as text. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

const drivers = [
  { name: 'Postgres', open: openOnPostgres },
  ...(process.env.TEST_REDIS_URL ? [{ name: 'Redis', open: openOnRedis }] : []),
];

const SECRET = 'password=hunter2';

/** Long enough for five tries, or for the recovery of an abandoned task, on a busy machine. */
const PATIENCE_MS = 25_000;

/** Reads a row with each task of the queue on Postgres. */
const reading = {
  columns: 'other.n',
  joins: `left join (values (7)) as other (n) on taken.data ->> 'n' = '7'`,
};

const never = () => new Promise<void>(() => {});

interface Data {
  readonly n: number;
}

/** Does with a task what the test says, and records it. */
class Handler implements TaskHandler<Data> {
  readonly began: { data: Data; at: number }[] = [];
  readonly done: number[] = [];
  readonly givenUp: [Data, string][] = [];

  constructor(
    private readonly work: (data: Data, round: number) => unknown = () => {},
    private readonly onGaveUp: () => Promise<void> = async () => {},
  ) {}

  /** Returns the milliseconds between the tries of a task. */
  waits(n: number): number[] {
    const tries = this.began.filter(({ data }) => data.n === n);
    return tries.slice(1).map(({ at }, i) => at - (tries[i]?.at ?? 0));
  }

  async run(data: Data): Promise<TaskEnd> {
    this.began.push({ data, at: Date.now() });
    await this.work(data, this.began.length);
    this.done.push(data.n);
    return 'over';
  }

  async gaveUp(data: Data, reason: string): Promise<void> {
    this.givenUp.push([data, reason]);
    await this.onGaveUp();
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
  ])('after %d tries with the random number %d is %d ms', (tries, random, ms) => {
    expect(backOffMs(tries, undefined, random)).toBe(ms);
  });

  it('is no shorter than afterMs of a TryAgain, and no shorter than the usual wait', () => {
    expect(backOffMs(1, new TryAgain('later', { afterMs: 30_000 }), 0.5)).toBe(30_000);
    expect(backOffMs(1, new TryAgain('soon', { afterMs: 10 }), 0.5)).toBe(500);
    expect(backOffMs(1, Object.assign(new Error('unexpected'), { afterMs: 30_000 }), 0.5)).toBe(500);
  });
});

describe.each(drivers)('BackgroundService on $name', ({ open }) => {
  let server: QueueServer;
  let observer: TaskQueue;
  let started: Set<BackgroundService>;

  beforeEach(async () => {
    server = await open();
    observer = await server.openQueue();
    observer.onError(() => {});
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
    const service = new BackgroundService(await server.openQueue(), {
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

  const tasks = async () => (await observer.ids()).length;

  /** A busy machine may not answer once in time. */
  const isQueueEmpty = () =>
    tasks().then(
      (count) => count === 0,
      () => false,
    );
  const untilQueueIsEmpty = () => waitFor('an empty queue', isQueueEmpty, PATIENCE_MS);

  describe('enqueue', () => {
    it('gets the task done, with its data', async () => {
      const handler = new Handler();
      await enqueue(await start(handler), 7);
      await untilQueueIsEmpty();
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
      await untilQueueIsEmpty();
      expect(handler.done).toEqual([1]);

      await enqueue(accepting, 1);
      await untilQueueIsEmpty();
      expect(handler.done).toEqual([1, 1]);
    });

    it('leaves the task to other processes if this process does none', async () => {
      const [idle, busy] = [new Handler(), new Handler()];
      const accepting = await start(idle, { inProcess: false });
      await mapInFlight(times(50, Number), (n) => enqueue(accepting, n));
      expect(await tasks()).toBe(50);

      await start(busy);
      await untilQueueIsEmpty();
      expect(new Set(busy.done)).toEqual(new Set(times(50, (n) => n)));
      expect(idle.began).toEqual([]);
    });

    it('gets each task done once by several processes', async () => {
      const handlers = times(3, () => new Handler());
      const services = await Promise.all(handlers.map((handler) => start(handler)));
      await mapInFlight(times(100, Number), (n) => enqueue(services[n % 3] as BackgroundService, n));
      await untilQueueIsEmpty();
      const done = handlers.flatMap((handler) => handler.done);
      expect(done.toSorted((a, b) => a - b)).toEqual(times(100, (n) => n));
    });

    it.each(['cut', 'blackHole'] as const)(
      'throws Unavailable while its server is down (%s), and works again when it is up',
      async (trouble) => {
        const handler = new Handler();
        const service = await start(handler);
        await enqueue(service, 1);
        await untilQueueIsEmpty();

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

  describe('a failed task', () => {
    it('is tried again, no sooner than it asks for', async () => {
      const handler = new Handler((_, round) => {
        if (round === 1) throw new TryAgain('the provider is busy', { afterMs: 2_000 });
      });
      await enqueue(await start(handler), 1);
      await untilQueueIsEmpty();
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
      await untilQueueIsEmpty();
      expect(handler.began.map(({ data }) => data.n)).toEqual([1, 2, 3]);
    });

    it('is not tried again after GiveUp', async () => {
      const handler = new Handler(() => {
        throw new GiveUp('the number does not exist');
      });
      await enqueue(await start(handler), 1);
      await untilQueueIsEmpty();
      expect(handler.began).toHaveLength(1);
      expect(handler.givenUp).toEqual([[{ n: 1 }, 'the number does not exist']]);
    });

    it('is given up after the fifth try, for expected and unexpected errors', async () => {
      const handler = new Handler(({ n }) => {
        throw n === 1 ? new TryAgain('the provider is down') : new TypeError('unexpected');
      });
      const service = await start(handler);
      await Promise.all([enqueue(service, 1), enqueue(service, 2)]);
      await untilQueueIsEmpty();
      for (const n of [1, 2]) {
        const waits = handler.waits(n);
        expect(waits).toHaveLength(4);
        for (const [i, shortest] of [400, 800, 1_600, 3_200].entries())
          expect(waits[i]).toBeGreaterThanOrEqual(shortest);
        expect(handler.givenUp).toContainEqual([{ n }, 'failed 5 times']);
      }
      expect(handler.givenUp).toHaveLength(2);
    });

    it('does not store the message of an unexpected error in the queue', async () => {
      const stored: string[] = [];
      const fail = () => {
        throw new Error(SECRET, { cause: new Error(SECRET) });
      };
      const handler = new Handler(
        async (_, round) => {
          if (round > 1) stored.push(await server.dump());
          if (round === 1) fail();
          if (round === 2) throw new GiveUp('for good');
        },
        fail as () => never,
      );
      await enqueue(await start(handler), 1);
      await untilQueueIsEmpty();
      expect(handler.done).toEqual([1]);
      expect(stored).toHaveLength(2);
      for (const everything of stored) {
        expect(everything).toContain('task 1');
        expect(everything).not.toContain(SECRET);
      }
    });
  });

  describe('shutdown', () => {
    it('finishes waiting and running tasks', async () => {
      const handler = new Handler(() => wait(100));
      const service = await start(handler, { drainTimeoutMs: PATIENCE_MS });
      const all = times(2 * observer.concurrency, (n) => n);
      await mapInFlight(all, (n) => enqueue(service, n));
      await stop(service);
      expect(handler.done.toSorted((a, b) => a - b)).toEqual(all);
    });

    it('finishes running tasks, and starts none that it could not finish in time', async () => {
      const handler = new Handler(() => wait(500));
      const service = await start(handler, { drainTimeoutMs: 6_000 });
      const all = times(observer.concurrency + 10, (n) => n);
      await mapInFlight(all, (n) => enqueue(service, n));
      await waitFor('the maximum of running tasks', () => handler.began.length >= observer.concurrency);
      await stop(service);
      expect(handler.done).toHaveLength(handler.began.length);
      expect(handler.done.length + (await tasks())).toBe(all.length);
    });

    it('leaves tasks that it cannot finish in time to the next process', async () => {
      const stuck = new Handler(never);
      const service = await start(stuck, { drainTimeoutMs: 500 });
      const all = times(observer.concurrency + 10, (n) => n);
      await mapInFlight(all, (n) => enqueue(service, n));
      await waitFor('the maximum of running tasks', () => stuck.began.length === observer.concurrency);
      await stop(service);
      expect(stuck.began).toHaveLength(observer.concurrency);

      const next = new Handler();
      await start(next);
      await untilQueueIsEmpty();
      expect(next.done.toSorted((a, b) => a - b)).toEqual(all);
    });

    it('waits for work of this process', async () => {
      const service = await start(new Handler(), { drainTimeoutMs: PATIENCE_MS });
      const done: string[] = [];
      service.run('a note', async () => {
        await wait(300);
        done.push('a note');
      });
      service.run('a failure', () => Promise.reject(new Error('unexpected')));
      await stop(service);
      expect(done).toEqual(['a note']);
    });

    it.each(['whole', 'cut', 'blackHole'] as const)(
      'ends in time although a task does not end (connection to the server: %s)',
      async (wire) => {
        const handler = new Handler(never);
        const service = await start(handler, { drainTimeoutMs: 200 });
        service.run('endless work', never);
        await enqueue(service, 1);
        await waitFor('the task', () => handler.began.length === 1);
        if (wire !== 'whole') server.wire[wire]();
        await stop(service);
        server.wire.heal();
      },
    );
  });

  describe('every', () => {
    it('repeats work without overlap until the shutdown', async () => {
      let [running, most, count] = [0, 0, 0];
      const service = await start(new Handler(), { drainTimeoutMs: PATIENCE_MS });
      service.every(10, 'count', async () => {
        running += 1;
        most = Math.max(most, running);
        await wait(50);
        running -= 1;
        count += 1;
      });
      await waitFor('three runs', () => count === 3);
      await stop(service);
      expect(most).toBe(1);
      expect(running).toBe(0);

      const [atTheEnd, another] = [count, jest.fn(async () => {})];
      (await start(new Handler())).every(10, 'count', another);
      await waitFor('ten runs in the other process', () => another.mock.calls.length >= 10);
      expect(count).toBe(atTheEnd);
    });

    it('repeats work that failed', async () => {
      const work = jest.fn(() => Promise.reject(new Error('unexpected')));
      (await start(new Handler())).every(10, 'fail', work);
      await waitFor('another try', () => work.mock.calls.length >= 3);
    });

    it('repeats no work in a process that does no tasks', async () => {
      const [idle, busy] = [jest.fn(async () => {}), jest.fn(async () => {})];
      (await start(new Handler(), { inProcess: false })).every(10, 'count', idle);
      (await start(new Handler())).every(10, 'count', busy);
      await waitFor('ten runs in the other process', () => busy.mock.calls.length >= 10);
      expect(idle).not.toHaveBeenCalled();
    });
  });
});

describe('PostgresTaskQueue', () => {
  let server: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    server = await freshDatabase();
    source = await new DataSource({ type: 'postgres', url: server.url }).initialize();
  });
  afterAll(async () => {
    await source.destroy();
    await server.drop();
  });

  it('hands over the row that it reads with a task, and counts on a removal by the runner', async () => {
    const queue = new PostgresTaskQueue(new Database(source), { url: server.url }, reading);
    for (const n of [7, 8]) await queue.add({ id: `t.${n}`, name: 'count', data: { n }, maxTries: 1 });
    const ran: Task[] = [];
    const worker = queue.work(async (task) => {
      ran.push(task);
      return 'removed';
    });
    await waitFor('both tasks', () => ran.length === 2);
    await worker.pause();
    const read = ran.map(({ id, data, reading }) => ({ id, data, reading }));
    expect(read).toEqual([
      { id: 't.7', data: { n: 7 }, reading: { n: 7 } },
      { id: 't.8', data: { n: 8 }, reading: { n: null } },
    ]);
    // The runner said that it had removed them, so the worker did not.
    expect(await queue.ids()).toEqual(['t.7', 't.8']);
    await worker.close();
    await queue.close();
  });

  it('hands over no row that was read before a stall of its process', async () => {
    await server.query('delete from tasks');
    const queue = new PostgresTaskQueue(new Database(source), { url: server.url }, reading);
    await queue.add({ id: 't.7', name: 'count', data: { n: 7 }, maxTries: 1 });
    const clock = jest.spyOn(performance, 'now').mockReturnValueOnce(performance.now() - 60_000);
    const run = jest.fn(async (_task: Task) => 'over' as const);
    const worker = queue.work(run);
    await waitFor('the task', () => run.mock.calls.length === 1);
    clock.mockRestore();
    expect(run.mock.calls[0]?.[0]).toEqual(expect.not.objectContaining({ reading: expect.anything() }));
    await worker.pause();
    await worker.close();
    await queue.close();
  });

  /** Returns the plan that a connection keeps for a prepared statement. */
  async function keptPlanOf({ text }: Statement, values: string): Promise<string> {
    const runner = source.createQueryRunner();
    await runner.query('set plan_cache_mode = force_generic_plan');
    await runner.query(`prepare examined as ${text}`);
    const lines: Record<string, string>[] = await runner.query(`explain execute examined (${values})`);
    await runner.query('reset plan_cache_mode');
    await runner.query('deallocate examined');
    await runner.release();
    return lines.flatMap(Object.values).join('\n');
  }

  it('looks up each task by its key, also with a plan from a time when there were few', async () => {
    await server.query('truncate tasks');
    await server.query(
      `insert into tasks (id, name, data, max_tries, due_at)
       select n::text, 'note', '{}', 1, now() + interval '1 hour' from generate_series(1, 700) as n`,
    );
    const database = new Database(source);
    const statements = jest.spyOn(database, 'run');
    const queue = new PostgresTaskQueue(database, { url: server.url }, reading);
    const worker = queue.work(async () => 'over');
    await worker.pause();
    const [taking] = statements.mock.calls.find(([{ name }]) => name === 'task-take') as [Statement];
    const plan = await keptPlanOf(taking, `72, '${randomUUID()}', 5000, '-infinity'`);
    expect(plan).not.toContain('Seq Scan on tasks');
    await worker.close();
    await queue.close();
  });

  it('finds a task that became due long before those that it took last', async () => {
    await server.query('delete from tasks');
    const database = new Database(source);
    const statements = jest.spyOn(database, 'run');
    const queue = new PostgresTaskQueue(database, { url: server.url }, reading);
    const taken: string[] = [];
    const run = async ({ id }: Task) => {
      taken.push(id);
      return 'over' as const;
    };
    const worker = queue.work(run);
    await queue.add({ id: 'task 1', name: 'note', data: {}, maxTries: 1 });
    await waitFor('the first task', () => taken.length === 1);
    await server.query(
      `insert into tasks (id, name, data, max_tries, due_at) values ('late', 'note', '{}', 1, now() - interval '1 hour')`,
    );
    // Every look that something wakes may begin at the task before.
    for (let n = 2; !taken.includes('late'); n += 1) {
      await queue.add({ id: `task ${n}`, name: 'note', data: {}, maxTries: 1 });
      await waitFor('the next task', () => taken.includes(`task ${n}`));
    }
    const looks = statements.mock.calls.filter(([{ name }]) => name === 'task-take');
    const starts = looks.map(([, values]) => values?.[3]);
    expect(starts[0]).toBe('-infinity');
    expect(starts).toContainEqual(expect.any(Date));
    await worker.pause();
    await worker.close();
    await queue.close();
  });

  it('leaves a task that it takes during a pause to another process', async () => {
    await server.query('delete from tasks');
    const queue = new PostgresTaskQueue(new Database(source), { url: server.url }, reading);
    await queue.add({ id: 'task 1', name: 'note', data: { n: 1 }, maxTries: 5 });
    const run = jest.fn(async () => 'over' as const);

    const { worker, paused } = await whileLocked(server, 'tasks', async () => {
      const worker = queue.work(run);
      await waitFor('the worker at the lock', async () => {
        const waiting = await server.query(
          `select from pg_locks where relation = 'tasks'::regclass and not granted`,
        );
        return waiting.length > 0;
      });
      return { worker, paused: worker.pause() };
    });
    await paused;
    expect(run).not.toHaveBeenCalled();
    const tasks = await server.query('select id, holder, due_at <= clock_timestamp() as "isDue" from tasks');
    expect(tasks).toEqual([{ id: 'task 1', holder: null, isDue: true }]);

    await worker.close();
    await queue.close();
  });
});

async function openOnPostgres(): Promise<QueueServer> {
  const server = await freshDatabase();
  const wire = await TcpProxy.before(server.url);
  const sources: DataSource[] = [];
  return {
    wire,
    openQueue: async () => {
      const extra = { query_timeout: 2_000 };
      const source = new DataSource({ type: 'postgres', url: wire.url, extra });
      sources.push(await source.initialize());
      return new PostgresTaskQueue(new Database(source), { url: wire.url }, reading);
    },
    dump: () => dumpPostgres(server, 'latchkey'),
    close: async () => {
      await Promise.all(sources.map((source) => source.destroy()));
      await wire.close();
      await server.drop();
    },
  };
}

async function openOnRedis(): Promise<QueueServer> {
  const url = await freshRedis();
  const wire = await TcpProxy.before(url);
  return {
    wire,
    openQueue: async () => new RedisTaskQueue(wire),
    dump: () => dumpRedis(url),
    close: () => wire.close(),
  };
}
