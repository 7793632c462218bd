import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { CodeRejected, RolledBack, Unavailable } from '#errors';
import { Database, type Transaction } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { openPostgres } from '../../../test/support/postgres-module.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { waitFor } from '../../../test/support/wait.js';

const statement = (text: string) => ({ name: text, text });

/** Returns a statement that fails on the server with the SQLSTATE. */
const failing = (code: string) => `do $$ begin raise exception using errcode = '${code}'; end $$`;

const LOST = ['08006', '57P01', '40001', '40P01'];
const UNAVAILABLE = ['08001', '53200', '53300', '55P03', '57014', '57P03', '58030', '25006', ...LOST];
const UNDONE = ['40001', '40P01', '55P03', '57014'];
const BUGS = ['42601', '42P01', '23505', '22P02', '25001', 'XX000', 'P0001'];

describe('Database', () => {
  let server: TestDatabase;
  let wire: TcpProxy;
  let module: TestingModule;
  let database: Database;

  beforeAll(async () => {
    server = await freshDatabase();
    await server.query('create table notes (text text)');
    wire = await TcpProxy.before(server.url);
    module = await openPostgres({ url: wire.url });
    database = module.get(Database);
  });
  const closers: (() => Promise<unknown>)[] = [];

  beforeEach(() => server.query('delete from notes'));
  afterEach(async () => {
    wire.heal();
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await module.close();
    await wire.close();
    await server.drop();
  });

  const notes = async () =>
    (await server.query<{ text: string }>('select text from notes')).map((n) => n.text);

  /** Terminates the connection of the transaction, as an operator or a restart does. */
  async function kill(transaction: Transaction): Promise<void> {
    const [{ pid }] = await transaction.query('select pg_backend_pid() pid');
    await server.query('select pg_terminate_backend($1)', [pid]);
    await waitFor('the release of the connection', () => transaction.queryRunner?.isReleased);
  }

  /** Runs a transaction. Returns its result or error, and the number of times that it was started. */
  async function transact(work: (transaction: Transaction, round: number) => Promise<unknown>) {
    let rounds = 0;
    const outcome = await database
      .transaction((transaction) => {
        rounds += 1;
        return work(transaction, rounds);
      })
      .catch((error: unknown) => error);
    return { outcome, rounds };
  }

  describe('run', () => {
    it('returns the rows', async () => {
      const rows = await database.run(statement('select $1::int + 1 as sum'), [41]);
      expect(rows).toEqual([{ sum: 42 }]);
    });

    it.each(UNAVAILABLE)('throws Unavailable for SQLSTATE %s', async (code) => {
      await expect(database.run(statement(failing(code)))).rejects.toThrow(Unavailable);
    });

    it.each(UNAVAILABLE)('tells whether other statements caused SQLSTATE %s', async (code) => {
      const failure = await database.run(statement(failing(code))).catch((error) => error);
      expect(failure instanceof RolledBack).toBe(UNDONE.includes(code));
    });

    it.each(BUGS)('throws the original error for SQLSTATE %s', async (code) => {
      await expect(database.run(statement(failing(code)))).rejects.toMatchObject({ code });
    });

    it('throws Unavailable for a statement that takes longer than the time-out', async () => {
      const quick = await openPostgres({ url: server.url, timeoutMs: 500 });
      closers.push(() => quick.close());
      const run = (text: string) => quick.get(Database).run(statement(text));
      expect(await run('show statement_timeout')).toEqual([{ statement_timeout: '500ms' }]);
      await expect(run('select pg_sleep(60)')).rejects.toThrow(Unavailable);
      expect(await database.run(statement('show statement_timeout'))).toEqual([
        { statement_timeout: '1500ms' },
      ]);
    });

    it('throws the original error for a syntax error', async () => {
      await expect(database.run(statement('selekt 1'))).rejects.toThrow('syntax error');
    });

    it('keeps the cause of Unavailable out of its message', async () => {
      const error = await database.run(statement(failing('53200'))).catch((e: unknown) => e);
      expect(error).toMatchObject({ dependency: 'postgres', cause: { code: '53200' } });
      expect((error as Error).message).not.toContain('53200');
    });
  });

  describe('answerOf', () => {
    const query = (text: string) => database.answerOf(module.get(DataSource).query(text));

    it('returns the answer', async () => {
      expect(await query('select 42 as answer')).toEqual([{ answer: 42 }]);
    });

    it.each(UNAVAILABLE)('throws Unavailable for SQLSTATE %s', async (code) => {
      await expect(query(failing(code))).rejects.toThrow(Unavailable);
    });

    it.each(BUGS)('throws the original error for SQLSTATE %s', async (code) => {
      await expect(query(failing(code))).rejects.toMatchObject({ driverError: { code } });
    });

    it.each(['cut', 'blackHole'] as const)(
      'throws Unavailable while Postgres is down (%s)',
      async (trouble) => {
        await query('select 1');
        wire[trouble]();
        await expect(query('select 1')).rejects.toThrow(Unavailable);
      },
    );
  });

  describe('transaction', () => {
    it('commits its work', async () => {
      const { outcome, rounds } = await transact(async (transaction) => {
        await transaction.query(`insert into notes values ('a'), ('b')`);
        return 'done';
      });
      expect([outcome, rounds, await notes()]).toEqual(['done', 1, ['a', 'b']]);
    });

    it('rolls back and throws the same error when the work throws', async () => {
      const failure = new CodeRejected(3);
      const { outcome, rounds } = await transact(async (transaction) => {
        await transaction.query(`insert into notes values ('a')`);
        throw failure;
      });
      expect(outcome).toBe(failure);
      expect([rounds, await notes()]).toEqual([1, []]);
    });

    it('is not retried when another dependency is unavailable', async () => {
      const failure = new Unavailable('redis');
      const { outcome, rounds } = await transact(() => Promise.reject(failure));
      expect(outcome).toBe(failure);
      expect(rounds).toBe(1);
    });

    const rest: [string, (transaction: Transaction) => Promise<unknown> | undefined][] = [
      ['another statement', (transaction) => transaction.query('select 1')],
      ['a statement of a query builder', (transaction) => transaction.queryRunner?.query('select 1')],
      ['the commit', async () => {}],
    ];

    it.each(rest)('is retried once when its connection was killed before %s', async (_, goOn) => {
      const { outcome, rounds } = await transact(async (transaction, round) => {
        await transaction.query('insert into notes values ($1)', [`round ${round}`]);
        if (round === 1) await kill(transaction);
        await goOn(transaction);
        return 'done';
      });
      expect([outcome, rounds, await notes()]).toEqual(['done', 2, ['round 2']]);
    });

    it.each(rest)('throws Unavailable when its connection is killed twice before %s', async (_, goOn) => {
      const { outcome, rounds } = await transact(async (transaction) => {
        await kill(transaction);
        await goOn(transaction);
      });
      expect(outcome).toBeInstanceOf(Unavailable);
      expect(rounds).toBe(2);
    });

    it('is retried once when its connection is killed during a statement', async () => {
      const { outcome, rounds } = await transact(async (transaction, round) => {
        await transaction.query('insert into notes values ($1)', [`round ${round}`]);
        if (round === 1) await transaction.query('select pg_terminate_backend(pg_backend_pid())');
        return 'done';
      });
      expect([outcome, rounds, await notes()]).toEqual(['done', 2, ['round 2']]);
    });

    it('is retried once when the network connection broke', async () => {
      const { outcome, rounds } = await transact(async (transaction, round) => {
        if (round === 1) wire.cut();
        const answer = transaction.query('select 1');
        wire.heal();
        await answer;
        return 'done';
      });
      expect([outcome, rounds]).toEqual(['done', 2]);
    });

    it.each(LOST)('is retried once after SQLSTATE %s', async (code) => {
      const { outcome, rounds } = await transact(async (transaction, round) => {
        if (round === 1) await transaction.query(failing(code));
        return 'done';
      });
      expect([outcome, rounds]).toEqual(['done', 2]);
    });

    it.each(LOST)('throws Unavailable after SQLSTATE %s twice', async (code) => {
      const { outcome, rounds } = await transact((transaction) => transaction.query(failing(code)));
      expect(outcome).toBeInstanceOf(Unavailable);
      expect(rounds).toBe(2);
    });

    it.each(UNAVAILABLE.filter((code) => !LOST.includes(code)))(
      'throws Unavailable without a retry after SQLSTATE %s',
      async (code) => {
        const { outcome, rounds } = await transact((transaction) => transaction.query(failing(code)));
        expect(outcome).toBeInstanceOf(Unavailable);
        expect(rounds).toBe(1);
      },
    );

    it('is not retried after a syntax error', async () => {
      const { outcome, rounds } = await transact((transaction) => transaction.query('selekt 1'));
      expect((outcome as Error).message).toMatch('syntax error');
      expect(rounds).toBe(1);
    });
  });

  describe('Postgres in trouble', () => {
    it('is unavailable for a statement that takes too long', async () => {
      const slow = await database.run(statement('select pg_sleep(60)')).catch((e: unknown) => e);
      expect(slow).toBeInstanceOf(Unavailable);
      expect(slow).toMatchObject({ cause: { code: '57014' } }); // canceled by the server itself
      const { outcome, rounds } = await transact((transaction) => transaction.query('select pg_sleep(60)'));
      expect(outcome).toBeInstanceOf(Unavailable);
      expect(rounds).toBe(1);
    });

    it('is unavailable while it is down, and available again when it is up', async () => {
      wire.cut();
      await expect(database.ping()).rejects.toThrow(Unavailable);
      expect((await transact((transaction) => transaction.query('select 1'))).outcome).toBeInstanceOf(
        Unavailable,
      );
      wire.heal();
      await database.ping();
    });

    it('is unavailable while it does not respond', async () => {
      await database.ping();
      wire.blackHole();
      await expect(database.ping()).rejects.toThrow(Unavailable);
    });

    it('is unavailable for writes while it is read-only', async () => {
      const [row] = await server.query<{ name: string }>('select current_database() as name');
      await server.query(`alter database ${row?.name} set default_transaction_read_only = on`);
      const reader = new Database(await connected(server.url));
      const insert = `insert into notes values ('a')`;
      await reader.ping();
      await expect(reader.run(statement(insert))).rejects.toThrow(Unavailable);
      await expect(reader.transaction((t) => t.query(insert))).rejects.toThrow(Unavailable);
    });

    it('is unavailable while all connections are in use', async () => {
      const busy = new Database(await connected(server.url, 1));
      busy.pool.options.connectionTimeoutMillis = 200;
      await busy.transaction(async () => {
        await expect(busy.ping()).rejects.toThrow(Unavailable);
        await expect(busy.transaction((t) => t.query('select 1'))).rejects.toThrow(Unavailable);
      });
      await busy.ping();
    });

    it('is asked only once for a connection when it did not give one in time', async () => {
      const hanging = await TcpProxy.before(server.url);
      closers.push(() => hanging.close());
      const source = await connected(hanging.url);
      const slow = new Database(source);
      slow.pool.options.connectionTimeoutMillis = 200;
      hanging.cut();
      await waitFor('the end of all connections', () => slow.pool.totalCount === 0);
      hanging.blackHole();
      const tries = jest.spyOn(source, 'transaction');
      await expect(slow.transaction((t) => t.query('select 1'))).rejects.toThrow(Unavailable);
      expect(tries).toHaveBeenCalledTimes(1);
    });

    it('is unavailable after its pool was closed', async () => {
      const source = await new DataSource({ type: 'postgres', url: server.url }).initialize();
      const orphan = new Database(source);
      await orphan.pool.end();
      await expect(orphan.ping()).rejects.toThrow(Unavailable);
      await expect(orphan.transaction((t) => t.query('select 1'))).rejects.toThrow(Unavailable);
    });
  });

  /** Opens a data source of its own, closed after the test. */
  async function connected(url: string, poolSize?: number) {
    const source = await new DataSource({ type: 'postgres', url, poolSize }).initialize();
    closers.push(() => source.destroy());
    return source;
  }
});
