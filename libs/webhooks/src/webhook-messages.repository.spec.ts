import type { TestingModule } from '@nestjs/testing';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { openPostgres } from '../../../test/support/postgres-module.js';
import { times } from '../../../test/support/repeat.js';
import { type WebhookMessage, WebhookMessagesRepository } from './webhook-messages.repository.js';

const LEASE_MS = 60_000;

describe('WebhookMessagesRepository', () => {
  let server: TestDatabase;
  let module: TestingModule;
  let messages: WebhookMessagesRepository;

  beforeAll(async () => {
    server = await freshDatabase();
    module = await openPostgres({ url: server.url });
    messages = new WebhookMessagesRepository(module.get(Database));
  });
  beforeEach(() => server.query('truncate webhook_messages'));
  afterAll(async () => {
    await module.close();
    await server.drop();
  });

  /** Adds events that are due in so many seconds, and whose life ends in so many. */
  const add = (count: number, { dueIn = 0, lifeLeft = 3_600 } = {}) =>
    server.query(
      `insert into webhook_messages (type, data, next_try_at, expires_at)
       select 'test', jsonb_build_object('n', n), now() + ($2 + n / 1000.0) * interval '1 second',
              now() + ($3 + n) * interval '1 second'
         from generate_series(1, $1) as n`,
      [count, dueIn, lifeLeft],
    );
  const left = async () =>
    (
      await server.query<{ n: number }>(`select (data ->> 'n')::int as n from webhook_messages order by 1`)
    ).map(({ n }) => n);
  const claim = () => messages.claim(LEASE_MS);

  it('gives each due event to one caller, the one that is due first to the first', async () => {
    await add(20, { dueIn: -10 });
    await add(1, { dueIn: 10 });
    const first = await claim();
    expect(first).toMatchObject({ type: 'test', data: { n: 1 }, phoneSealed: null, tries: 0 });
    const others = await Promise.all(times(30, claim));
    const given = [first, ...others].filter((each): each is WebhookMessage => each !== null);
    expect(given.map(({ data }) => data.n).toSorted((a, b) => Number(a) - Number(b))).toEqual(
      times(20, (i) => i + 1),
    );
  });

  it('gives an event to another caller when the lease has ended', async () => {
    await add(1, { dueIn: -10 });
    const first = await messages.claim(0);
    expect(await claim()).toEqual(first);
    expect(await claim()).toBeNull();
  });

  it('counts a try that failed, and gives the event again when the wait is over', async () => {
    await add(1, { dueIn: -10 });
    const { id } = (await claim()) as WebhookMessage;
    await messages.putOff(id, 60_000);
    expect(await claim()).toBeNull();
    await messages.putOff(id, 0);
    expect(await claim()).toMatchObject({ id, tries: 2 });
    await messages.delete(id);
    expect(await left()).toEqual([]);
  });

  it('brings forward events that wait, and not those that are being sent', async () => {
    await add(5_100, { dueIn: 3_600 });
    await add(3, { dueIn: 10 });
    expect(await messages.bringForward(LEASE_MS)).toBe(5_100);
    const [row] = await server.query<{ due: number }>(
      'select count(*)::int as due from webhook_messages where next_try_at <= now()',
    );
    expect(row?.due).toBe(5_100);
  });

  it('deletes events whose life has ended', async () => {
    await add(600, { lifeLeft: -3_600 });
    await add(2);
    expect(await messages.purge()).toBe(600);
    expect(await left()).toEqual([1, 2]);
    expect(await messages.purge()).toBe(0);
  });

  it('deletes the oldest of very many events', async () => {
    await add(10);
    expect(await messages.purge(10)).toBe(0);
    // Every life ends a second after the one before.
    expect(await messages.purge(7)).toBe(3);
    expect(await left()).toEqual([4, 5, 6, 7, 8, 9, 10]);
  });
});
