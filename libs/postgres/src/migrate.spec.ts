import { DataSource } from 'typeorm';
import { emptyDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { BadNumberEntity } from '../../delivery/src/bad-number.entity.js';
import { DataKeyEntity } from '../../keys/src/data-key.entity.js';
import { TokenEntity } from '../../tokens/src/token.entity.js';
import { UserEntity } from '../../users/src/user.entity.js';
import { hasPendingMigrations, migrate, revertMigration } from './migrate.js';

const ENTITIES = [UserEntity, TokenEntity, DataKeyEntity, BadNumberEntity];

describe('migrate', () => {
  let server: TestDatabase;

  beforeEach(async () => {
    server = await emptyDatabase();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await server.drop();
  });

  async function appliedMigrations(): Promise<string[]> {
    const rows = await server.query<{ name: string }>('select name from migrations order by id');
    return rows.map(({ name }) => name);
  }

  /** Returns the columns, indexes and constraints of all tables. */
  async function schema(): Promise<unknown[]> {
    return [
      await server.query(
        `select table_name, column_name, data_type, is_nullable, column_default,
                character_maximum_length
           from information_schema.columns where table_schema = 'latchkey' order by 1, 2`,
      ),
      await server.query(
        `select tablename, indexname, indexdef from pg_indexes where schemaname = 'latchkey' order by 1, 2`,
      ),
      await server.query(
        `select conrelid::regclass::text as table_name, conname, pg_get_constraintdef(oid) as definition
           from pg_constraint where connamespace = 'latchkey'::regnamespace order by 1, 2`,
      ),
    ];
  }

  it('applies each migration once, oldest first', async () => {
    const applied = await migrate(server.url);
    expect(applied.length).toBeGreaterThan(0);
    expect(applied).toEqual(await appliedMigrations());
    const numbers = applied.map((name) => Number(/\d+$/.exec(name)?.[0]));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(await migrate(server.url)).toEqual([]);
  });

  it('applies each migration again after it was reverted', async () => {
    const all = await migrate(server.url);
    const before = await schema();
    for (const [count] of all.entries()) {
      const newest = all.slice(-1 - count);
      for (const _ of newest) await revertMigration(server.url);
      expect(await appliedMigrations()).toEqual(all.slice(0, all.length - newest.length));
      expect(await migrate(server.url)).toEqual(newest);
      expect(await schema()).toEqual(before);
    }
  });

  it('leaves no tables behind when all migrations are reverted', async () => {
    const all = await migrate(server.url);
    for (const _ of all) await revertMigration(server.url);
    const tables = await server.query(`select tablename from pg_tables where schemaname = 'latchkey'`);
    expect(tables).toEqual([{ tablename: 'migrations' }]);
  });

  it('applies each migration once when several processes start together', async () => {
    const applied = await Promise.all(times(5, () => migrate(server.url)));
    expect(applied.flat()).toEqual(await appliedMigrations());
    expect(new Set(applied.flat()).size).toBe(applied.flat().length);
    expect(await hasPendingMigrations(server.url)).toBe(false);
  });

  it('reports pending migrations', async () => {
    expect(await hasPendingMigrations(server.url)).toBe(true);
    await migrate(server.url);
    expect(await hasPendingMigrations(server.url)).toBe(false);
    await revertMigration(server.url);
    expect(await hasPendingMigrations(server.url)).toBe(true);
  });

  it('leaves no lock and no connection behind when a migration fails', async () => {
    jest.spyOn(console, 'log').mockImplementation(); // TypeORM logs the failure there too
    await server.query('create schema latchkey');
    await server.query('create table latchkey.tokens (not_ours int)');
    await expect(migrate(server.url)).rejects.toThrow('tokens');
    expect(await appliedMigrations()).toHaveLength(1);
    await server.query('drop table tokens');
    expect((await migrate(server.url)).length).toBeGreaterThan(0);
    await waitFor('the end of all other connections', async () => {
      const others = await server.query(
        'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
      return others.length === 0;
    });
  });

  it('creates the tables that the entities describe', async () => {
    await migrate(server.url);
    const source = new DataSource({ type: 'postgres', url: server.url, entities: ENTITIES });
    await source.initialize();
    const { upQueries } = await source.driver.createSchemaBuilder().log();
    await source.destroy();
    const proposed = upQueries.map(({ query }) => query);
    // Only the migrations define indexes and foreign keys.
    const isMigrationOnly = /^(DROP INDEX|ALTER TABLE "\w+" DROP CONSTRAINT "\w+_fkey"$)/;
    expect(proposed.filter((query) => !isMigrationOnly.test(query))).toEqual([]);
  });
});
