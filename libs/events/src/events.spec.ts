import type { TestingModule } from '@nestjs/testing';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { openPostgres } from '../../../test/support/postgres-module.js';
import { EventsRepository } from './events.repository.js';

const DAY_MS = 86_400_000;

describe('EventsRepository', () => {
  let server: TestDatabase;
  let module: TestingModule;

  beforeEach(async () => {
    server = await freshDatabase();
    module = await openPostgres({ url: server.url });
  });
  afterEach(async () => {
    await module.close();
    await server.drop();
  });

  const events = () => new EventsRepository(module.get(Database), { keptMs: 100 * DAY_MS });
  const partitions = async () =>
    (
      await server.query<{ name: string }>(
        `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
          where inhparent = 'events'::regclass order by relname`,
      )
    ).map(({ name }) => name);
  const addAt = (ago: string) =>
    server.query(`insert into events (kind, at) values ('signed_in', now() - $1::interval)`, [ago]);
  const count = async () => (await events().list({ userId: null, kind: null }, 100)).length;

  it('creates the partitions of this month and the next two, once', async () => {
    const made = (await partitions()).filter((name) => name !== 'events_default');
    for (const name of made) await server.query(`drop table ${name}`);
    await Promise.all([events().purge(), events().purge()]);
    expect(await partitions()).toEqual([...made, 'events_default'].sort());
    await events().record('signing_key_created');
    const [row] = await server.query<{ place: string }>(
      'select tableoid::regclass::text as place from events',
    );
    expect(row?.place).toBe(made[0]);
    expect(made).toHaveLength(3);
  });

  it('drops the months that are kept no longer, and deletes old events without a month', async () => {
    await server.query(
      `create table events_2020_01 partition of events for values from ('2020-01-01') to ('2020-02-01')`,
    );
    await server.query(`insert into events (kind, at) values ('signed_in', '2020-01-15')`);
    for (const ago of ['99 days', '101 days']) await addAt(ago);
    expect(await count()).toBe(3);
    await events().purge();
    expect(await partitions()).not.toContain('events_2020_01');
    expect(await count()).toBe(1);
  });

  it('lists the newest first, by user and by kind', async () => {
    const user = '0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a';
    for (const [ago, kind] of [
      ['3 hours', 'signed_in'],
      ['1 hour', 'refreshed'],
      ['2 hours', 'signed_in'],
    ] as const)
      await server.query(`insert into events (kind, user_id, at) values ($1, $2, now() - $3::interval)`, [
        kind,
        user,
        ago,
      ]);
    await events().record('number_looked_up', { phoneIndex: 'hash', details: { by: 'test' } });
    const kinds = async (filter: { userId?: string; kind?: string }, limit = 10) =>
      (await events().list({ userId: null, kind: null, ...filter }, limit)).map(({ kind }) => kind);
    expect(await kinds({})).toEqual(['number_looked_up', 'refreshed', 'signed_in', 'signed_in']);
    expect(await kinds({ userId: user })).toEqual(['refreshed', 'signed_in', 'signed_in']);
    expect(await kinds({ kind: 'signed_in' }, 1)).toEqual(['signed_in']);
    expect((await events().list({ userId: null, kind: 'number_looked_up' }, 1))[0]).toMatchObject({
      ...{ phoneIndex: 'hash', userId: null, requestId: null, details: { by: 'test' } },
    });
  });
});
