import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Unavailable } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { times } from '../../../test/support/repeat.js';
import { UserEntity } from './user.entity.js';
import { UsersRepository } from './users.repository.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NUMBER = '+14155550123' as PhoneNumber;

describe('UsersRepository', () => {
  let server: TestDatabase;
  let wire: TcpProxy;
  let source: DataSource;
  let database: Database;
  let users: UsersRepository;
  const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));

  beforeAll(async () => {
    server = await freshDatabase();
    wire = await TcpProxy.before(server.url);
    source = new DataSource({ type: 'postgres', url: wire.url, entities: [UserEntity], poolSize: 20 });
    await source.initialize();
    database = new Database(source);
    users = new UsersRepository(database, source.getRepository(UserEntity), keys);
  });
  beforeEach(() => server.query('delete from users'));
  afterAll(async () => {
    await source.destroy();
    await wire.close();
    await server.drop();
  });

  const findOrCreate = (phoneNumber: PhoneNumber = NUMBER, name: string | null = null) =>
    database.transaction((transaction) => users.findOrCreate(transaction, phoneNumber, name));

  it('creates a user for an unknown phone number', async () => {
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

  it('finds an existing user and does not change the name', async () => {
    const { user } = await findOrCreate(NUMBER, 'Ada');
    expect(await findOrCreate(NUMBER, 'Eve')).toEqual({ user, isNew: false });
    expect(await findOrCreate(NUMBER, null)).toEqual({ user, isNew: false });
    expect(await users.find(user.id)).toEqual(user);
  });

  it('creates one user for a phone number when many ask at once', async () => {
    const found = await Promise.all(times(200, () => findOrCreate()));
    expect(new Set(found.map(({ user }) => user.id)).size).toBe(1);
    expect(found.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await server.query('select from users')).toHaveLength(1);
  });

  it('creates one user for each phone number, with ids in order of creation', async () => {
    const ids: string[] = [];
    for (const number of ['+14155550123', '+14155550124', '+14155550125'])
      ids.push((await findOrCreate(number as PhoneNumber)).user.id);
    expect(new Set(ids).size).toBe(3);
    expect(ids.toSorted()).toEqual(ids);
  });

  it('creates no user in a transaction that is rolled back', async () => {
    const failure = new Error('no token');
    const failed = database.transaction(async (transaction) => {
      await users.findOrCreate(transaction, NUMBER, 'Eve');
      throw failure;
    });
    await expect(failed).rejects.toBe(failure);
    expect(await findOrCreate(NUMBER, 'Ada')).toMatchObject({ user: { name: 'Ada' }, isNew: true });
  });

  it('stores the phone number encrypted', async () => {
    await findOrCreate();
    const [row] = await server.query<{ dump: string; sealed: string }>(
      'select u::text as dump, phone_sealed as sealed from users u',
    );
    const digits = NUMBER.slice(1);
    expect(row?.dump).not.toContain(digits);
    expect(Buffer.from(row?.sealed ?? '', 'base64url').toString('latin1')).not.toContain(digits);
  });

  it('finds no user by an unknown id', async () => {
    await findOrCreate();
    expect(await users.find(uuidv7())).toBeNull();
  });

  it('knows a phone number that signed in before', async () => {
    expect(await users.isKnown(NUMBER)).toBe(false);
    await findOrCreate();
    expect(await users.isKnown(NUMBER)).toBe(true);
    expect(await users.isKnown('+14155550124' as PhoneNumber)).toBe(false);
  });

  it('keeps one user for all forms of a line', async () => {
    const [earlier, today] = ['+5215512345678', '+525512345678'] as PhoneNumber[];
    const { user } = await findOrCreate(earlier, 'Ada');
    expect(await users.isKnown(today as PhoneNumber)).toBe(true);

    const found = await Promise.all(times(20, () => findOrCreate(today)));

    for (const each of found)
      expect(each).toMatchObject({ isNew: false, user: { id: user.id, name: 'Ada', phoneNumber: today } });
    expect(await server.query('select from users')).toHaveLength(1);
  });

  it('prefers the user of the form in use when both forms have one', async () => {
    const today = '+525512345678' as PhoneNumber;
    await findOrCreate('+5215512345678' as PhoneNumber, 'Eve');
    await server.query('update users set phone_index = $1', ['set aside']);
    const { user } = await findOrCreate(today, 'Ada');
    const earlier = keys.phoneIndexOf('+5215512345678');
    await server.query('update users set phone_index = $1 where phone_index = $2', [earlier, 'set aside']);
    expect(await findOrCreate(today)).toEqual({ user, isNew: false });
    expect(await server.query('select from users')).toHaveLength(2);
  });

  it('throws Unavailable for each of its calls while Postgres is down', async () => {
    wire.cut();
    for (const call of [() => users.find(uuidv7()), () => users.isKnown(NUMBER), findOrCreate])
      await expect(call()).rejects.toThrow(Unavailable);
    wire.heal();
  });
});
