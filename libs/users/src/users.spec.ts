import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { Unavailable } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { times } from '../../../test/support/repeat.js';
import { UserEntity } from './user.entity.js';
import { type NewUser, UsersRepository } from './users.repository.js';

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

  async function store(phoneNumber: PhoneNumber = NUMBER, name: string | null = null): Promise<NewUser> {
    const draft = users.draft(phoneNumber, name);
    const { id, phoneIndex, phoneSealed } = draft;
    await server.query('insert into users (id, name, phone_index, phone_sealed) values ($1, $2, $3, $4)', [
      id,
      name,
      phoneIndex,
      phoneSealed,
    ]);
    return draft;
  }

  it('drafts users with ids in order of creation', () => {
    const ids = times(3, () => users.draft(NUMBER, null).id);
    for (const id of ids) expect(id).toMatch(UUID_V7);
    expect(ids.toSorted()).toEqual(ids);
  });

  it('finds the user of a phone number', async () => {
    const { id } = await store(NUMBER, 'Ada');
    expect(await users.findByNumber(NUMBER)).toEqual({
      avatar: null,
      legacyId: expect.any(Number),
      ...{ id, name: 'Ada', locale: null, phoneNumber: NUMBER, version: 1 },
      createdAt: expect.any(Date),
    });
    expect(await users.findByNumber('+14155550124' as PhoneNumber)).toBeNull();
  });

  it('stores the phone number encrypted', async () => {
    await store();
    const [row] = await server.query<{ dump: string; sealed: string }>(
      'select u::text as dump, phone_sealed as sealed from users u',
    );
    const digits = NUMBER.slice(1);
    expect(row?.dump).not.toContain(digits);
    expect(Buffer.from(row?.sealed ?? '', 'base64url').toString('latin1')).not.toContain(digits);
  });

  it('knows a phone number that signed in before', async () => {
    expect(await users.isKnown(NUMBER)).toBe(false);
    await store();
    expect(await users.isKnown(NUMBER)).toBe(true);
    expect(await users.isKnown('+14155550124' as PhoneNumber)).toBe(false);
  });

  it('tells known numbers from unknown ones when many are asked for at once', async () => {
    const [earlier, today] = ['+5215512345678', '+525512345678'] as [PhoneNumber, PhoneNumber];
    await store();
    await store(earlier);
    const asked = ['+14155550124', today, NUMBER, '+525512345679', NUMBER] as PhoneNumber[];
    const known = await Promise.all(asked.map((number) => users.isKnown(number)));
    expect(known).toEqual([false, true, true, false, true]);
  });

  it('keeps one user for all forms of a line', async () => {
    const [earlier, today] = ['+5215512345678', '+525512345678'] as [PhoneNumber, PhoneNumber];
    const { id } = await store(earlier, 'Ada');
    expect(await users.isKnown(today)).toBe(true);

    const changed = await Promise.all(times(20, () => users.adoptEarlierForm(today)));

    expect(changed.filter((user) => user !== null)).toEqual([id]);
    expect(await users.findByNumber(today)).toMatchObject({
      id,
      name: 'Ada',
      phoneNumber: today,
      version: 2,
    });
    const { phoneIndex } = users.draft(today, null);
    expect(await server.query('select phone_index from users')).toEqual([{ phone_index: phoneIndex }]);
  });

  it('adopts no earlier form when both forms have a user, or the number has no earlier form', async () => {
    const today = '+525512345678' as PhoneNumber;
    await store('+5215512345678' as PhoneNumber, 'Eve');
    await store(today, 'Ada');
    await store(NUMBER);
    expect([await users.adoptEarlierForm(today), await users.adoptEarlierForm(NUMBER)]).toEqual([null, null]);
    expect(await server.query('select from users where version = 1')).toHaveLength(3);
  });

  it('throws Unavailable for each of its calls while Postgres is down', async () => {
    wire.cut();
    const mexican = '+525512345678' as PhoneNumber;
    for (const call of [() => users.isKnown(NUMBER), () => users.adoptEarlierForm(mexican)])
      await expect(call()).rejects.toThrow(Unavailable);
    wire.heal();
  });
});
