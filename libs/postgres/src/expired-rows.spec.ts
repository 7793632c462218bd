import type { TestingModule } from '@nestjs/testing';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { withClient } from '../../../test/support/postgres.js';
import { openPostgres } from '../../../test/support/postgres-module.js';
import { deleteExpired } from './expired-rows.js';

describe('deleteExpired', () => {
  let server: TestDatabase;
  let module: TestingModule;
  let database: Database;

  beforeAll(async () => {
    server = await freshDatabase();
    module = await openPostgres({ url: server.url });
    database = module.get(Database);
    await server.query('create table notes (id int, expires_at timestamptz not null)');
    await server.query('create index on notes (expires_at)');
  });
  beforeEach(() => server.query('truncate notes'));
  afterAll(async () => {
    await module.close();
    await server.drop();
  });

  /** Adds rows that expired one after the other, the last one so many milliseconds ago. */
  const addExpired = (count: number, agoMs: number) =>
    server.query(
      `insert into notes select n, now() - $2 * interval '1 millisecond' - n * interval '1 microsecond'
         from generate_series(1, $1) as n`,
      [count, agoMs],
    );
  const left = async () => {
    const [row] = await server.query<{ count: number }>('select count(*)::int from notes');
    return row?.count;
  };

  it('deletes the rows of many batches, and no others', async () => {
    await addExpired(2_345, 1_000);
    await server.query(`insert into notes values (0, now() + interval '1 hour')`);
    await deleteExpired(database, 'notes');
    expect(await server.query('select id from notes')).toEqual([{ id: 0 }]);
  });

  it('deletes rows that expired at the same time', async () => {
    await server.query(`insert into notes select n, now() from generate_series(1, 2000) as n`);
    await deleteExpired(database, 'notes');
    expect(await left()).toBe(0);
  });

  it('keeps expired rows for the given time', async () => {
    await addExpired(600, 60_000);
    await addExpired(3, 1_000);
    await deleteExpired(database, 'notes', 30_000);
    expect(await left()).toBe(3);
  });

  it('leaves the rows of a table to the process that deletes them already', async () => {
    await addExpired(10, 1_000);
    await withClient(server.url, async (other) => {
      await other.query(`begin; select pg_advisory_xact_lock(4226016, hashtext('notes'))`);
      await deleteExpired(database, 'notes');
      expect(await left()).toBe(10);
      await other.query('rollback');
    });
    await deleteExpired(database, 'notes');
    expect(await left()).toBe(0);
  });

  it('does not wait for a row that a request has locked', async () => {
    await addExpired(10, 1_000);
    await withClient(server.url, async (other) => {
      await other.query('begin');
      await other.query('select from notes where id = 5 for update');
      await deleteExpired(database, 'notes');
      await other.query('rollback');
    });
    expect(await server.query('select id from notes')).toEqual([{ id: 5 }]);
  });

  it('ends when the server stops', async () => {
    await addExpired(10, 1_000);
    const another = new Database(database['source' as never]);
    another.beforeApplicationShutdown();
    await deleteExpired(another, 'notes');
    expect(await left()).toBe(10);
  });
});
