import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PromiseContext } from './promise-context.js';

interface Subject {
  readonly id: string;
}

describe.each([
  ['PromiseContext', () => new PromiseContext<Subject>()],
  ['AsyncLocalStorage', () => new AsyncLocalStorage<Subject>()],
])('%s', (_, create) => {
  let context: Pick<AsyncLocalStorage<Subject>, 'run' | 'getStore' | 'disable'>;
  beforeEach(() => {
    context = create();
  });
  afterEach(() => context.disable());

  const [one, two] = [{ id: 'one' }, { id: 'two' }];

  it('keeps the value after each await', async () => {
    const found = await context.run(one, async () => {
      const values = [context.getStore()];
      for (const wait of [null, sleep(1), Promise.all([sleep(1), sleep(2)]), new Promise(setImmediate)]) {
        await wait;
        values.push(context.getStore());
      }
      return values;
    });
    expect(found).toEqual([one, one, one, one, one]);
    expect(context.getStore()).toBeUndefined();
  });

  it('keeps the values of work that alternates apart', async () => {
    const alternate = async () => {
      const values = new Set<Subject | undefined>();
      for (let i = 0; i < 50; i += 1) {
        await (i % 2 === 0 ? sleep(0) : null);
        values.add(context.getStore());
      }
      return [...values];
    };
    const found = await Promise.all([context.run(one, alternate), context.run(two, alternate), alternate()]);
    expect(found).toEqual([[one], [two], [undefined]]);
  });

  it('keeps the value of work that waits for a promise of other work', async () => {
    const shared = context.run(one, () => sleep(1));
    const found = await context.run(two, async () => {
      await shared;
      return context.getStore();
    });
    expect(found).toBe(two);
  });

  it('keeps the value of work that a callback of other work resolves', async () => {
    const emitter = new EventEmitter();
    const waiting = context.run(one, async () => {
      await once(emitter, 'answer');
      return context.getStore();
    });
    context.run(two, () => emitter.emit('answer'));
    expect(await waiting).toBe(one);
  });

  it('keeps the value after an await that throws', async () => {
    const found = context.run(one, async () => {
      await Promise.reject(new Error('failed')).catch(() => null);
      try {
        await sleep(1).then(() => Promise.reject(new Error('failed')));
      } catch {
        return context.getStore();
      }
    });
    expect(await found).toBe(one);
  });

  it('returns to the outer value after inner work', async () => {
    const found = await context.run(one, async () => {
      const inner = await context.run(two, async () => {
        await sleep(1);
        return context.getStore();
      });
      return [inner, context.getStore()];
    });
    expect(found).toEqual([two, one]);
  });

  it('has no value in callbacks of no work, between the steps of work', async () => {
    const seen: (Subject | undefined)[] = [];
    const interval = setInterval(() => seen.push(context.getStore()), 1);
    await context.run(one, async () => {
      while (seen.length < 5) await sleep(0);
    });
    clearInterval(interval);
    expect(new Set(seen)).toEqual(new Set([undefined]));
  });

  it('has no value after work that throws', () => {
    const fail = () => {
      throw new Error('failed');
    };
    expect(() => context.run(one, fail)).toThrow('failed');
    expect(context.getStore()).toBeUndefined();
  });

  it('has no value once it is disabled', async () => {
    const found = await context.run(one, async () => {
      context.disable();
      await sleep(1);
      return context.getStore();
    });
    expect(found).toBeUndefined();
  });
});

it('works beside an AsyncLocalStorage', async () => {
  const ours = new PromiseContext<Subject>();
  const other = new AsyncLocalStorage<string>();
  const read = async () => {
    await sleep(1);
    return [ours.getStore(), other.getStore()];
  };
  const [one, two] = [{ id: 'one' }, { id: 'two' }];
  const found = await Promise.all([
    ours.run(one, () => other.run('a', read)),
    other.run('b', () => ours.run(two, read)),
    other.run('c', read),
  ]);
  ours.disable();
  expect(found).toEqual([
    [one, 'a'],
    [two, 'b'],
    [undefined, 'c'],
  ]);
});
