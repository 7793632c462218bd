import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { UserEntity } from './user.entity.js';
import { UsersRepository } from './users.repository.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NUMBER = '+14155550123' as PhoneNumber;

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));

describe('UsersRepository', () => {
  let server: TestDatabase;
  let source: DataSource;
  let database: Database;
  let users: UsersRepository;

  beforeAll(async () => {
    server = await freshDatabase();
    source = new DataSource({ type: 'postgres', url: server.url, entities: [UserEntity], poolSize: 20 });
    await source.initialize();
    database = new Database(source);
    users = new UsersRepository(
      database,
      new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test')),
    );
  });
  beforeEach(() => server.query('delete from users'));
  afterAll(async () => {
    await source.destroy();
    await server.drop();
  });

  const findOrCreate = (phoneNumber: PhoneNumber = NUMBER, name: string | null = null) =>
    database.transaction((transaction) => users.findOrCreate(transaction, phoneNumber, name));

  it('makes a user of a number it does not know', async () => {
    const { user, isNew } = await findOrCreate(NUMBER, 'Ada');
    expect(isNew).toBe(true);
    expect(user).toEqual({
      id: expect.stringMatching(UUID_V7),
      createdAt: expect.any(Date),
      name: 'Ada',
      phoneNumber: NUMBER,
      version: 1,
    });
    expect(await users.find(user.id)).toEqual(user);
  });

  it('finds the same user again, and leaves the name as it was', async () => {
    const { user } = await findOrCreate(NUMBER, 'Ada');
    expect(await findOrCreate(NUMBER, 'Eve')).toEqual({ user, isNew: false });
    expect(await findOrCreate(NUMBER, null)).toEqual({ user, isNew: false });
    expect(await users.find(user.id)).toEqual(user);
  });

  it('makes one user of a number, however many ask at once', async () => {
    const found = await Promise.all(times(200, () => findOrCreate()));
    expect(new Set(found.map(({ user }) => user.id)).size).toBe(1);
    expect(found.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await server.query('select from users')).toHaveLength(1);
  });

  it('gives each number a user of its own, in the order in which they came', async () => {
    const ids: string[] = [];
    for (const number of ['+14155550123', '+14155550124', '+14155550125'])
      ids.push((await findOrCreate(number as PhoneNumber)).user.id);
    expect(new Set(ids).size).toBe(3);
    expect(ids.toSorted()).toEqual(ids);
  });

  it('makes no user in a transaction that comes to nothing', async () => {
    const failure = new Error('no token');
    const failed = database.transaction(async (transaction) => {
      await users.findOrCreate(transaction, NUMBER, 'Eve');
      throw failure;
    });
    await expect(failed).rejects.toBe(failure);
    expect(await findOrCreate(NUMBER, 'Ada')).toMatchObject({ user: { name: 'Ada' }, isNew: true });
  });

  it('keeps the number where only the key can read it', async () => {
    await findOrCreate();
    const [row] = await server.query<{ dump: string; sealed: string }>(
      'select u::text as dump, phone_sealed as sealed from users u',
    );
    const digits = NUMBER.slice(1);
    expect(row?.dump).not.toContain(digits);
    expect(Buffer.from(row?.sealed ?? '', 'base64url').toString('latin1')).not.toContain(digits);
  });

  it('knows nobody by an id that it did not give', async () => {
    await findOrCreate();
    expect(await users.find(uuidv7())).toBeNull();
  });
});
