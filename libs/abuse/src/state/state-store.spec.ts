import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Unavailable } from '#errors';
import { Database } from '#postgres';
import { openBreakablePostgres } from '../../../../test/support/breakable-stores.js';
import { TcpProxy } from '../../../../test/support/proxy.js';
import { times } from '../../../../test/support/repeat.js';
import { waitFor } from '../../../../test/support/wait.js';
import { type Draft, SharedState, type Snapshot } from './shared-state.js';
import { type Change, StateStore } from './state-store.postgres.js';

Logger.overrideLogger(false);

/** A store on its server, with direct access to the server. */
interface Opened {
  readonly store: StateStore;
  readonly wire: TcpProxy;
  /** Returns the milliseconds until each state expires. */
  lives(): Promise<number[]>;
  /** Returns the time of the server in milliseconds since 1970. */
  clock(): Promise<number>;
  /** Counts the states on the server, including expired ones. */
  size(): Promise<number>;
  close(): Promise<unknown>;
}

const HOUR = 3_600_000;
const someKey = () => `key:${randomBytes(8).toString('hex')}`;
const change = (overrides: Partial<Change> = {}): Change => {
  return { key: someKey(), tag: null, text: '{"n":1}', ttlMs: HOUR, heldUntil: null, ...overrides };
};

describe('StateStore', () => {
  let server: Opened;
  let store: StateStore;

  beforeEach(async () => {
    server = await open();
    store = server.store;
  });
  afterEach(() => server.close());

  const textOf = async (key: string) => (await store.read([key])).found[0]?.text;
  const tagOf = async (key: string) => (await store.read([key])).found[0]?.tag ?? null;

  it('returns null for a state that was never written', async () => {
    expect((await store.read([someKey()])).found).toEqual([{ text: null, tag: null }]);
    expect((await store.read([])).found).toEqual([]);
  });

  it('tells the time of its server', async () => {
    const [before, { now }, after] = [
      await server.clock(),
      await store.read([someKey()]),
      await server.clock(),
    ];
    expect(now).toBeGreaterThanOrEqual(Math.floor(before));
    expect(now).toBeLessThanOrEqual(after);
  });

  it('reads written states in the order of the keys', async () => {
    const [one, two] = [change({ text: '{"name":"Ада 🦊"}' }), change({ text: '{}' })];
    expect(await store.write([one, two])).toBe(true);
    const { found } = await store.read([two.key, someKey(), one.key]);
    expect(found.map(({ text }) => text)).toEqual([two.text, null, one.text]);
  });

  it('changes a state only once with the same tag', async () => {
    const { key } = change();
    await store.write([change({ key })]);
    const tag = await tagOf(key);
    expect(await store.write([change({ key, tag, text: 'second' })])).toBe(true);
    expect(await store.write([change({ key, tag, text: 'third' })])).toBe(false);
    expect(await store.write([change({ key, tag: null, text: 'fourth' })])).toBe(false);
    expect(await textOf(key)).toBe('second');
  });

  it.each(['first', 'last'])(
    'changes none of several states if the tag of the %s is outdated',
    async (which) => {
      const [outdated, good, fresh] = [change(), change(), change()];
      await store.write([outdated, good]);
      const tag = await tagOf(good.key);
      const changes = [change({ ...good, tag, text: 'new' }), fresh];
      const wrong = change({ ...outdated, tag: null, text: 'new' });
      expect(await store.write(which === 'first' ? [wrong, ...changes] : [...changes, wrong])).toBe(false);
      const { found } = await store.read([outdated.key, good.key, fresh.key]);
      expect(found.map(({ text }) => text)).toEqual([outdated.text, good.text, null]);
      expect(await tagOf(good.key)).toBe(tag);
    },
  );

  it('lets exactly one of twenty concurrent writers of a state succeed', async () => {
    const key = someKey();
    for (let round = 0; round < 3; round += 1) {
      const tag = await tagOf(key);
      const won = await Promise.all(
        times(20, (i) => store.write([change({ key, tag, text: `${round} ${i}` })])),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await textOf(key)).toBe(`${round} ${won.indexOf(true)}`);
    }
  });

  it('lets one of twenty writers of the same states succeed without deadlock, in any order of keys', async () => {
    const keys = times(5, someKey);
    const won = await Promise.all(
      times(20, (i) => {
        const order = i % 2 ? keys : keys.toReversed();
        return store.write(order.map((key) => change({ key, text: String(i) })));
      }),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    const texts = (await store.read(keys)).found.map(({ text }) => text);
    expect(texts).toEqual(keys.map(() => String(won.indexOf(true))));
  });

  it('forgets an expired state, and accepts a new one in its place', async () => {
    const key = someKey();
    await store.write([change({ key, ttlMs: 100 })]);
    await waitFor('the expiry', async () => (await textOf(key)) === null);
    const tag = await tagOf(key);
    expect(await store.write([change({ key, tag, text: 'new' })])).toBe(true);
    expect(await textOf(key)).toBe('new');
  });

  it('expires every state by its own time to live', async () => {
    await store.write([change({ ttlMs: HOUR }), change({ ttlMs: HOUR / 2 + 0.5 })]);
    const [sooner = 0, later = 0] = (await server.lives()).sort((a, b) => a - b);
    expect(sooner).toBeGreaterThan(HOUR / 2 - 10_000);
    expect(sooner).toBeLessThanOrEqual(HOUR / 2 + 1);
    expect(later).toBeGreaterThan(HOUR - 10_000);
    expect(later).toBeLessThanOrEqual(HOUR);
  });

  describe('held', () => {
    it('lists held states by descending end, up to the limit', async () => {
      const now = Date.now();
      const [sooner, later, ended] = [now + 10_000, now + 20_000, now].map((heldUntil) =>
        change({ heldUntil }),
      );
      await store.write([sooner, later, ended, change()] as Change[]);
      const expected = [later, sooner].map((held) => ({ key: held?.key, text: held?.text }));
      expect(await store.held(now, 10)).toEqual(expected);
      expect(await store.held(now, 1)).toEqual(expected.slice(0, 1));
      expect(await store.held(now + 20_000, 10)).toEqual([]);
    });

    it('does not list a released state', async () => {
      const held = change({ heldUntil: Date.now() + HOUR });
      await store.write([held]);
      await store.write([{ ...held, tag: await tagOf(held.key), heldUntil: null }]);
      expect(await store.held(Date.now(), 10)).toEqual([]);
    });

    it('does not list an expired state', async () => {
      const held = change({ heldUntil: Date.now() + HOUR, ttlMs: 50 });
      await store.write([held]);
      await waitFor('the expiry', async () => (await textOf(held.key)) === null);
      expect(await store.held(Date.now(), 10)).toEqual([]);
    });
  });

  it('purges expired states only', async () => {
    const [expired, kept] = [change({ ttlMs: 50, heldUntil: Date.now() }), change()];
    await store.write([expired, kept]);
    await waitFor('the expiry', async () => (await textOf(expired.key)) === null);
    await store.purge();
    expect(await server.size()).toBe(1);
    expect(await textOf(kept.key)).toBe(kept.text);
  });

  it.each<[string, (store: StateStore) => Promise<unknown>]>([
    ['read', (store) => store.read([someKey()])],
    ['write', (store) => store.write([change()])],
    ['held', (store) => store.held(Date.now(), 1)],
    ['purge', (store) => store.purge()],
  ])('throws Unavailable from %s while its server is unreachable', async (_, act) => {
    server.wire.cut();
    await expect(act(store)).rejects.toThrow(Unavailable);
  });

  describe('SharedState', () => {
    interface Count {
      n: number;
    }
    const increment = (key: string) => (draft: Draft) => {
      const n = (draft.get<Count>(key)?.n ?? 0) + 1;
      draft.set(key, { n }, { ttlMs: HOUR });
      return n;
    };
    const add = (state: SharedState, key: string, seen: Snapshot | null = null) =>
      state.decide([key], increment(key), seen);
    const look = async (state: SharedState, keys: readonly string[]) =>
      (await state.decideAndSee(keys, () => null)).after;

    it('loses no update of two concurrent processes', async () => {
      const key = someKey();
      const replicas = times(2, () => new SharedState(store));
      const counts = await Promise.all(times(400, (i) => add(replicas[i % 2] as SharedState, key)));
      expect(counts.sort((a, b) => a - b)).toEqual(times(400, (i) => i + 1));
      expect(await textOf(key)).toBe('{"n":400}');
    });

    it('rejects a decision that throws for its caller only, and discards its changes', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      const outcomes = await Promise.allSettled(
        times(10, (i) => {
          if (i % 2 === 0) return add(shared, key);
          return shared.decide([key], (draft) => {
            draft.set(key, { n: 1_000 }, { ttlMs: HOUR });
            throw new Error('this decision fails');
          });
        }),
      );
      expect(outcomes.map(({ status }) => status)).toEqual(
        times(10, (i) => (i % 2 ? 'rejected' : 'fulfilled')),
      );
      expect(await textOf(key)).toBe('{"n":5}');
    });

    it('hides what a decision changed without setting it from the others of its batch', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      interface Counts {
        n: number;
        readonly list: number[];
      }
      const set = (n: number, changes: (state: Counts) => void = () => {}) =>
        shared.decide([key], (draft) => {
          const state = draft.get<Counts>(key) ?? { n: 0, list: [] };
          state.list.push(n);
          draft.set(key, state, { ttlMs: HOUR });
          changes(state);
          return draft.get<Counts>(key);
        });
      const read = (changes: (state: Counts) => void) =>
        shared.decide([key], (draft) => {
          const [state, again] = [draft.get<Counts>(key), draft.get<Counts>(key)] as [Counts, Counts];
          changes(state);
          return again;
        });
      const spoil = (state: Counts) => {
        state.n = 1_000;
        state.list.length = 0;
      };
      const fail = (state: Counts) => {
        spoil(state);
        throw new Error('this decision fails');
      };
      const found = await Promise.allSettled([
        set(1),
        read(spoil),
        set(2, fail),
        read(fail),
        // Until its end a decision may change what it has set.
        set(3, (state) => {
          state.n = 7;
        }),
        read(() => {}),
      ]);
      const list = [1, 3];
      expect(found.map((each) => (each.status === 'fulfilled' ? each.value : 'failed'))).toEqual([
        { n: 0, list: [1] },
        { n: 0, list: [1] },
        'failed',
        'failed',
        { n: 7, list },
        { n: 7, list },
      ]);
      expect(await textOf(key)).toBe('{"n":7,"list":[1,3]}');
    });

    it('batches the decisions of one turn of the event loop, in one round trip each to read and to write', async () => {
      const shared = new SharedState(store);
      const [reads, writes] = [jest.spyOn(store, 'read'), jest.spyOn(store, 'write')];
      await Promise.all(times(50, (i) => add(shared, `key:${i % 5}`)));
      expect(reads).toHaveBeenCalledTimes(1);
      expect(writes).toHaveBeenCalledTimes(1);
      expect(await textOf('key:0')).toBe('{"n":10}');
    });

    it('decides on what was looked up while the states were read', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      let find = (_found: number) => {};
      const lookup = new Promise<number>((resolve) => {
        find = resolve;
      });
      const reads = jest.spyOn(store, 'read');
      const decided = shared.decideWith(lookup, [key], (draft, found) => increment(key)(draft) + found);
      await waitFor('the read', () => reads.mock.results.length === 1);
      await reads.mock.results[0]?.value;
      find(40);
      expect(await decided).toBe(41);
      expect(reads).toHaveBeenCalledTimes(1);
    });

    it('decides without a decision whose look-up is late', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      let find = (_found: number) => {};
      const lookup = new Promise<number>((resolve) => {
        find = resolve;
      });
      const late = shared.decideWith(lookup, [key], (draft, found) => increment(key)(draft) + found);
      expect(await Promise.all([add(shared, key), add(shared, key)])).toEqual([1, 2]);
      expect(await add(shared, key)).toBe(3);
      find(40);
      expect(await late).toBe(44);
    });

    it('rejects a decision whose look-up fails, and no other of its batch', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      const failing = shared.decideWith(Promise.reject(new Error('no answer')), [key], increment(key));
      const [failed, added] = await Promise.allSettled([failing, add(shared, key)]);
      expect(failed).toMatchObject({ status: 'rejected', reason: new Error('no answer') });
      expect(added).toEqual({ status: 'fulfilled', value: 1 });
    });

    it('rejects a decision on a state that is not among its keys', async () => {
      const [key, other, shared] = [someKey(), someKey(), new SharedState(store)];
      await expect(shared.decide([key], increment(other))).rejects.toThrow('not among the keys');
      const set = shared.decide([key], (draft) => draft.set(other, {}, { ttlMs: HOUR }));
      await expect(set).rejects.toThrow('not among the keys');
      expect(await textOf(other)).toBeNull();
    });

    describe('on states that were seen before', () => {
      afterEach(() => jest.restoreAllMocks());

      it('decides without reading them', async () => {
        const [key, shared] = [someKey(), new SharedState(store)];
        await add(shared, key);
        jest.spyOn(performance, 'now').mockReturnValue(performance.now());
        const seen = await look(shared, [key, 'absent']);
        const reads = jest.spyOn(store, 'read');
        await add(shared, key, seen);
        expect(reads).not.toHaveBeenCalled();
        expect(await textOf(key)).toBe('{"n":2}');
      });

      it('decides on what the decision before has written', async () => {
        const [key, other, shared] = [someKey(), someKey(), new SharedState(store)];
        let { after } = await shared.decideAndSee([key, other], increment(key));
        for (let n = 2; n < 10; n += 1) {
          expect(await shared.decide([key, other], increment(key), after)).toBe(n);
          after = (await shared.decideAndSee([key, other], (draft) => draft.get(key))).after;
        }
        expect(await textOf(key)).toBe('{"n":9}');
      });

      it.each<[string, (key: string) => Promise<unknown>]>([
        ['another process changed', (key) => add(new SharedState(store), key)],
        ['another process created', (key) => add(new SharedState(store), `${key}:absent`)],
      ])('reads them again if %s one that it changes', async (_, change) => {
        const [key, shared] = [someKey(), new SharedState(store)];
        await add(shared, key);
        const keys = [key, `${key}:absent`];
        const seen = await look(shared, keys);
        await change(key);
        await shared.decide(keys, (draft) => keys.map((each) => increment(each)(draft)), seen);
        const counts = (await store.read(keys)).found.map(({ text }) => JSON.parse(text as string).n);
        expect(counts[0] + counts[1]).toBe(4);
      });

      it('reads them again before it decides to change nothing', async () => {
        const [key, shared] = [someKey(), new SharedState(store)];
        const seen = await look(shared, [key]);
        await add(new SharedState(store), key);
        expect(await shared.decide([key], (draft) => draft.get(key), seen)).toEqual({ n: 1 });
      });

      it('reads them again after a second, for a decision on more of them, and for several looks', async () => {
        const [key, other, shared] = [someKey(), someKey(), new SharedState(store)];
        const [seen, another] = [await look(shared, [key]), await look(shared, [key])];
        const reads = jest.spyOn(store, 'read');
        await shared.decide([key, other], increment(key), seen);
        await Promise.all([add(shared, key, seen), add(shared, key, another)]);
        expect(reads).toHaveBeenCalledTimes(2);
        const late = await look(shared, [key]);
        const now = performance.now() + 1_001;
        jest.spyOn(performance, 'now').mockReturnValue(now);
        await add(shared, key, late);
        expect(reads).toHaveBeenCalledTimes(4);
        expect(await textOf(key)).toBe('{"n":4}');
      });
    });

    it('writes nothing if no state changed', async () => {
      const [key, shared] = [someKey(), new SharedState(store)];
      await add(shared, key);
      const tag = await tagOf(key);
      const set = (draft: Parameters<Parameters<SharedState['decide']>[1]>[0]) =>
        draft.set(key, { n: 1 }, { ttlMs: HOUR });
      await shared.decide([key], set);
      await shared.decide([key], (draft) => Object.assign(draft.get<Count>(key) ?? {}, { n: 2 }));
      expect(await tagOf(key)).toBe(tag);
      expect(await textOf(key)).toBe('{"n":1}');
    });

    it('rejects all pending decisions while its server is unreachable', async () => {
      const shared = new SharedState(store);
      server.wire.cut();
      const outcomes = await Promise.allSettled(times(300, () => add(shared, 'key')));
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Unavailable) });
    });
  });
});

async function open(): Promise<Opened> {
  const { database, wire, source, close } = await openBreakablePostgres();
  return {
    wire,
    store: new StateStore(new Database(source)),
    lives: async () => {
      const rows = await database.query<{ life: string }>(
        'select extract(epoch from expires_at - clock_timestamp()) * 1000 as life from abuse_states',
      );
      return rows.map(({ life }) => Number(life));
    },
    clock: async () => {
      const [row] = await database.query<{ now: number }>(
        'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
      );
      return row?.now as number;
    },
    size: async () => (await database.query('select from abuse_states')).length,
    close,
  };
}
