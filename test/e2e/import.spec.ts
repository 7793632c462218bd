import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccountService } from '#auth';
import type { PhoneNumber } from '#phone';
import { type RunningApi, startApi } from '../support/api.js';
import { emptyDatabase, mainlyOn, type TestDatabase } from '../support/databases.js';
import { withClient } from '../support/postgres.js';
import { times } from '../support/repeat.js';
import { isFullScale } from '../support/scale.js';
import { type Ended, ServerProcess } from '../support/server-process.js';
import { SECRET } from '../support/settings.js';
import { openVerification } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** EX_DATAERR of sysexits.h. */
const EXIT_DATA = 65;

const GO_TABLES = `
  create table users (
    id bigserial primary key, created_at timestamptz not null default now(), name text, phone_number text unique,
    version integer not null default 1
  );
  create table tokens (
    hash bytea primary key, user_id bigint references users on delete cascade, expiry timestamptz, scope text
  )`;

const tokenOf = (letter: string) => letter.repeat(26);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'latchkey-import-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function commandOn({ config, database }: RunningApi, args: string[], more = {}): ServerProcess {
  const stores = {
    DATABASE_URL: database.url,
    ...(config.redisUrl !== null && { REDIS_URL: config.redisUrl }),
  };
  const variables = { ...stores, SECRET, LOG_LEVEL: 'silent', DEFAULT_REGION: 'US', ...more };
  return ServerProcess.spawn('cli', variables, ['import', ...args]);
}

/** Runs a command, and returns its exit code and its output without the line that names the database. */
async function run(api: RunningApi, args: string[], more = {}): Promise<Ended> {
  const { code, output } = await commandOn(api, args, more).ended();
  return { code, output: output.replace(/^database: .*\n/, '') };
}

/** All that an import could change. */
const stored = async ({ database }: RunningApi) => [
  await database.query('select * from users order by id'),
  await database.query('select * from tokens order by hash'),
];

const userOf = (api: RunningApi, phoneNumber: string) =>
  api.nest.get(AccountService, { strict: false }).findByNumber(phoneNumber as PhoneNumber);

describe.each(mainlyOn('redis'))('latchkey import go on $name', (mode) => {
  let api: RunningApi;
  let go: TestDatabase;
  let importGo: (more?: object) => Promise<Ended>;

  beforeEach(async () => {
    api = await startApi(mode, { SIGNUP_NUMERIC_IDS: 'on' });
    go = await emptyDatabase();
    await go.query(GO_TABLES);
    importGo = (more) => run(api, ['go', '--database-url', go.url], more);
  });
  afterEach(async () => {
    await api.stop();
    await go.drop();
  });

  const signUp = async (body = {}) => {
    const verification = await openVerification(api, body);
    await api.client.post(`${verification.path}/check`, { code: verification.code });
    return verification;
  };
  const addUser = (id: number, phone: string | null, name: string | null = null) =>
    go.query(
      `insert into users (id, phone_number, name, created_at) values ($1, $2, $3, '2023-04-05T06:07:08.9Z')`,
      [id, phone, name],
    );
  const addToken = (userId: number, token: string, expiry = '1 day', scope = 'authentication') =>
    go.query('insert into tokens values (sha256($1::bytea), $2, now() + $3::interval, $4)', [
      token,
      userId,
      expiry,
      scope,
    ]);

  it('imports users and tokens: a Go token opens /protected, with the id that its client knows', async () => {
    await addUser(41, '+14155550141', 'Ada');
    await addUser(42, '(415) 555-0142', '');
    await addToken(41, tokenOf('A'));
    await addToken(41, tokenOf('B'), '-1 minute');
    await addToken(42, tokenOf('C'), '1 day', 'activation');
    // Rows that the schema of the Go server allows, and that cannot be tokens here.
    await go.query(`insert into tokens values ('\\x00', 42, now() + interval '1 day', 'authentication'),
      (sha256('d'), 42, now() + interval '1 day', null), (sha256('e'), 42, null, 'authentication'),
      (sha256('f'), 42, 'infinity', 'authentication'), (sha256('g'), null, now() + interval '1 day', 'authentication')`);
    await go.query(`insert into users (id, phone_number, created_at) values (43, '+14155550143', '0001-01-01Z'),
      (44, '+14155550144', 'infinity'), (45, '+14155550145', now() + interval '1 year'),
      (9007199254740993, '+14155550146', now())`);
    const other = 2 ** 52 + 1_000_001;
    expect(await importGo()).toEqual({
      code: 0,
      output: `${[
        'Imported without the time of creation:',
        '  user 44 (+14*******44): created_at must be a date, or a date and time (RFC 3339), and not in the future',
        '  user 45 (+14*******45): created_at must be a date, or a date and time (RFC 3339), and not in the future',
        'With another id than before:',
        `  user 9007199254740993 (+14*******46): got the id ${other}`,
        '1 user with another id than before',
        'created 6 accounts and 2 tokens',
      ].join('\n')}\n`,
    });
    const ids = await api.database.query(
      'select legacy_id::float8 as id from users where created_at <= now() order by 1',
    );
    // The last id is too large for JavaScript, so its user has another one.
    expect(ids.map(({ id }) => id)).toEqual([41, 42, 43, 44, 45, other]);

    const { status, body } = await api.client.as(tokenOf('A')).get('/protected');
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      id: 41,
      name: 'Ada',
      phone_number: '+14155550141',
      created_at: '2023-04-05T06:07:08Z',
    });
    expect((await api.client.as(tokenOf('B')).get('/protected')).status).toBe(401);
    expect((await api.client.as(tokenOf('C')).get('/protected')).status).toBe(403);
    const sessions = await api.client.as(tokenOf('A')).get('/v1/sessions');
    expect(sessions.body.items).toMatchObject([{ current: true }]);
    // An imported token is no recent sign-in.
    expect((await api.client.as(tokenOf('A')).delete('/v1/me')).body.code).toBe('recent_sign_in_required');
  });

  it('leaves a million ids above the imported ones to the Go server', async () => {
    await addUser(900, '+14155550141');
    await importGo();
    await signUp();
    expect(await api.database.query('select legacy_id::int as id from users order by 1')).toEqual([
      { id: 900 },
      { id: 1_000_901 },
    ]);
    await addUser(901, '+14155550142');
    expect((await importGo()).output).toBe('left 1 existing account unchanged\ncreated 1 account\n');
    expect(await userOf(api, '+14155550142')).toMatchObject({ legacyId: 901 });
  });

  it('leaves ids to a Go server without users', async () => {
    expect((await importGo()).output).toBe('created 0 accounts\n');
    await signUp();
    expect(await api.database.query('select legacy_id::int as id from users')).toEqual([{ id: 1_000_001 }]);
  });

  it('changes nothing when it is repeated, and brings no revoked token back', async () => {
    await addUser(1, '+14155550141', 'Ada');
    await addToken(1, tokenOf('A'));
    await importGo();
    await api.client.as(tokenOf('A')).delete('/v1/session');
    await api.database.query('delete from tokens');
    await api.database.query(`update users set name = 'Grace', version = 2`);
    const before = await stored(api);
    expect(await importGo()).toEqual({
      code: 0,
      output: 'left 1 existing account unchanged\ncreated 0 accounts\n',
    });
    expect(await stored(api)).toEqual(before);
  });

  it('leaves an account unchanged that exists, and gives its id to no other', async () => {
    const { phone_number } = await signUp({ name: 'Grace' });
    const before = await api.database.query('select * from users');
    await addUser(1, '+14155550141', 'Ada');
    await addUser(2, phone_number, 'Eve');
    await addToken(2, tokenOf('E'));
    const masked = `${phone_number.slice(0, 3)}*******${phone_number.slice(-2)}`;
    const others = [
      'With another id than before:',
      '  user 1 (+14*******41): got the id 1000003',
      `  user 2 (${masked}): got the id 1`,
      'left 1 existing account unchanged',
      '2 users with another id than before',
      'created 1 account\n',
    ];
    expect(await importGo()).toEqual({ code: 0, output: others.join('\n') });
    // An import that was interrupted has listed nothing.
    expect((await importGo()).output).toContain(others.slice(0, 3).join('\n'));
    expect(await api.database.query(`select * from users where name = 'Grace'`)).toEqual(before);
    expect((await api.client.as(tokenOf('E')).get('/protected')).status).toBe(401);
    const ids = await api.database.query('select name, legacy_id::int as id from users order by id');
    expect(ids).toEqual([
      { name: 'Grace', id: 1 },
      { name: 'Ada', id: 1_000_003 },
    ]);
  });

  it('finds the account of a number in the form of an earlier numbering plan', async () => {
    await addUser(1, '+5215512345678', 'Ada');
    await addUser(2, '+525512345678', 'Eve');
    const { code, output } = await importGo();
    expect(code).toBe(EXIT_DATA);
    expect(output).toContain('  user 2 (+52********78): the phone number is the one of an earlier user\n');
    expect(await userOf(api, '+525512345678')).toMatchObject({ name: 'Ada' });
  });

  it('lists numbers that are invalid or repeated, masked, and imports the others', async () => {
    await addUser(1, '+14155550141', 'Pay at evil.com');
    await addUser(2, '415-555-0141', 'Eve');
    await addUser(3, '12345678901234', 'Mallory');
    await addUser(4, null);
    await addUser(5, '+14155550145');
    await addUser(-6, '+14155550146');
    await addToken(2, tokenOf('E'));
    const { code, output } = await importGo();
    expect(code).toBe(EXIT_DATA);
    expect(output).toBe(
      `${[
        'Not imported:',
        '  user 2 (+14*******41): the phone number is the one of an earlier user',
        '  user 3 (123*********34): the phone number is not valid',
        '  user 4: the phone number is missing',
        'Imported without the name:',
        '  user 1 (+14*******41): the name must not contain a web address; write a space after a full stop',
        'With another id than before:',
        '  user -6 (+14*******46): got the id 1000006',
        'refused 3 users',
        '1 user with another id than before',
        'created 3 accounts',
      ].join('\n')}\n`,
    );
    expect((await api.client.as(tokenOf('E')).get('/protected')).status).toBe(401);
    expect(await api.database.query('select from users')).toHaveLength(3);
  });

  it('goes on after it was killed: every user is created once, with all tokens', async () => {
    const users = isFullScale ? 5_000 : 1_200;
    await go.query(
      `insert into users (phone_number) select '+1415556' || lpad(n::text, 4, '0') from generate_series(1, $1::int) n`,
      [users],
    );
    await go.query(
      `insert into tokens select sha256(id::text::bytea), id, now() + interval '1 day', 'authentication' from users`,
    );
    // The second batch waits until the import is killed.
    await api.database.query(`
      create function wait() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(7); return new; end $$`);
    await api.database.query(
      'create trigger wait before insert on users for each row when (new.legacy_id = 700) execute function wait()',
    );
    await withClient(api.database.url, async (holder) => {
      await holder.query('select pg_advisory_lock(7)');
      const command = commandOn(api, ['go', '--database-url', go.url]);
      const isWaiting = async () => {
        const waiting = await api.database.query(
          `select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`,
        );
        return waiting.length > 0;
      };
      await waitFor('the second batch', isWaiting, 30_000);
      expect((await command.end('SIGINT')).code).toBe(130);
      // The batch would be committed when the lock is free.
      await api.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`,
      );
    });
    await api.database.query('drop trigger wait on users');
    const counts = async () => [
      (await api.database.query('select from users')).length,
      (await api.database.query('select from tokens')).length,
    ];
    expect(await counts()).toEqual([500, 500]);

    const { code, output } = await importGo();
    expect({ code, output }).toEqual({
      code: 0,
      output: `left 500 existing accounts unchanged\ncreated ${users - 500} accounts and ${users - 500} tokens\n`,
    });
    expect(await counts()).toEqual([users, users]);
    const moved = await api.database.query('select from users where legacy_id not between 1 and $1', [users]);
    expect(moved).toEqual([]);
  });

  it('only reads the database of the Go server, whatever its settings are', async () => {
    await addUser(1, '+14155550141');
    const before = await go.query('select * from users');
    await go.query(`
      do $$ begin execute format('alter database %I set datestyle to ''German''', current_database());
                  execute format('alter database %I set timezone to ''Asia/Tokyo''', current_database()); end $$`);
    await importGo();
    expect(await go.query('select * from users')).toEqual(before);
    expect(await userOf(api, '+14155550141')).toMatchObject({
      createdAt: new Date('2023-04-05T06:07:08.900Z'),
    });
  });

  it.each([
    ['mysql://go/db', 2, '--database-url must be a postgres:// URL'],
    ['postgres://go:hunter2@127.0.0.1:1/none', 1, 'can be repeated: connect ECONNREFUSED'],
  ])('fails without a trace or a password: %s', async (url, expected, message) => {
    const { code, output } = await run(api, ['go', '--database-url', url]);
    expect(code).toBe(expected);
    expect(output).toContain(message);
    expect(output).not.toMatch(/hunter2|^\s+at /m);
  });

  it('says so when the database has other tables', async () => {
    const message = async () => {
      const { code, output } = await importGo();
      expect(code).toBe(1);
      return /does not have the tables of the Go server, users \(id bigint, .*\): (.*)\n/.exec(output)?.[1];
    };
    await go.query('alter table users rename column phone_number to phone');
    expect(await message()).toBe('users.phone_number is missing');
    await go.query('drop table tokens');
    await go.query('drop table users');
    await go.query('create table users (id uuid, phone_number text, name text, created_at date)');
    expect(await message()).toBe(
      'users.id is of the type uuid, tokens.user_id is missing, tokens.hash is missing, tokens.expiry is missing, tokens.scope is missing',
    );
  });

  it('reads columns of related types', async () => {
    await go.query(
      `alter table users alter phone_number type numeric using 14155550141, alter created_at type timestamp`,
    );
    await go.query('alter table tokens alter user_id type integer, alter expiry type timestamp');
    await go.query(`set timezone to 'UTC'; insert into users values (1, '2023-04-05T06:07:08', 'Ada', 14155550141);
      insert into tokens values (sha256('${tokenOf('A')}'), 1, now() + interval '1 day', 'authentication')`);
    expect(await importGo()).toEqual({ code: 0, output: 'created 1 account and 1 token\n' });
    expect(await userOf(api, '+14155550141')).toMatchObject({ createdAt: new Date('2023-04-05T06:07:08Z') });
  });

  it('hints at DEFAULT_REGION once, if numbers lack the country code', async () => {
    await addUser(1, '4155550141');
    await addUser(2, '415 555 0142');
    const { code, output } = await importGo({ DEFAULT_REGION: undefined });
    expect(code).toBe(EXIT_DATA);
    expect(output.match(/^warning: .*DEFAULT_REGION=US$/gm)).toHaveLength(1);
  });
});

describe.each(mainlyOn('postgres'))('latchkey import of a file on $name', (mode) => {
  let api: RunningApi;
  beforeEach(async () => {
    api = await startApi(mode);
  });
  afterEach(() => api.stop());

  function importFile(format: string, content: string | Buffer, more = {}): Promise<Ended> {
    const file = join(folder, `users.${format}`);
    writeFileSync(file, content);
    return run(api, [format, file], more);
  }

  it('reads CSV, lists bad lines by number and reason, and changes nothing when it is repeated', async () => {
    const csv = [
      '\ufeffPhone_Number,name,created_at,note',
      '+14155550101,Ada,2024-05-06T07:08:09Z,',
      '"(415) 555-0102","Grace ""G"" H",,"a, b"',
      '',
      '+14155550101,Eve,,',
      'not a number,Mallory,,',
      '+14155550103,Bob,yesterday,',
      '+14155550104,Bob',
      '+14155550105,"Bob,,',
      '+14155550106,",,',
      '+14155550107,Pay at evil.com,,',
      ',Someone,,',
      '+14155550108,A "B" C,,',
      '+14155550109,Café,,',
      '+14155550110,Go,0001-01-01T00:00:00Z,',
      '+14155550111,Leap,2024-02-30,',
    ].join('\r\n');
    // One line is in Latin-1.
    const [start = '', end = ''] = csv.split('é');
    const bytes = Buffer.concat([Buffer.from(start), Buffer.from([0xe9]), Buffer.from(end)]);
    const { code, output } = await importFile('csv', bytes);
    expect(output).toBe(
      `${[
        'Not imported:',
        '  line 5: the phone number is the one of an earlier user',
        '  line 6: the phone number is not valid',
        '  line 8: has 2 values, and the first line names 4 columns',
        '  lines 9 to 10: a value has a line break: a quotation mark may not be closed',
        '  line 12: the phone number is missing',
        '  line 14: has characters that are not UTF-8',
        'Imported without the name:',
        '  line 11: the name must not contain a web address; write a space after a full stop',
        'Imported without the time of creation:',
        '  line 7: created_at must be a date, or a date and time (RFC 3339), and not in the future',
        '  line 16: created_at must be a date, or a date and time (RFC 3339), and not in the future',
        'refused 6 users',
        'created 7 accounts',
      ].join('\n')}\n`,
    );
    expect(code).toBe(EXIT_DATA);
    expect(await userOf(api, '+14155550101')).toMatchObject({
      name: 'Ada',
      createdAt: new Date('2024-05-06T07:08:09.000Z'),
    });
    expect(await userOf(api, '+14155550102')).toMatchObject({ name: 'Grace "G" H' });

    const before = await stored(api);
    expect((await importFile('csv', bytes)).output).toContain('left 7 existing accounts unchanged');
    expect(await stored(api)).toEqual(before);
  });

  it('lists a quotation mark that is not closed, and imports the lines before it', async () => {
    const { code, output } = await importFile('csv', 'phone\n+14155550101\n"+14155550102\n+14155550103\n');
    expect(code).toBe(EXIT_DATA);
    expect(output).toMatch(
      /^Not imported:\n {2}line \d: a quotation mark is not closed\nrefused 1 user\ncreated 1 account\n$/,
    );
  });

  it('refuses a file that names a column twice', async () => {
    const { code, output } = await importFile('csv', 'phone,phone,name\n+14155550101,+14155550102,Ada\n');
    expect(code).toBe(EXIT_DATA);
    expect(output).toContain('the first line names the column phone twice');
  });

  it('ends when a line is longer than 1 MiB', async () => {
    const { code, output } = await importFile('csv', `phone\n"${'+14155550102\n'.repeat(100_000)}`);
    expect(code).toBe(1);
    expect(output).toMatch(/line \d+: is longer than 1 MiB; a quotation mark may not be closed\n$/);
  });

  it('reads the JSON of firebase auth:export', async () => {
    const users = [
      { localId: 'a', phoneNumber: '+14155550101', displayName: 'Ada', createdAt: '1714979289000' },
      { localId: 'b', providerUserInfo: [{ providerId: 'phone', phoneNumber: '+14155550102' }] },
      { localId: 'c', email: 'c@example.com', createdAt: '1714979289000', providerUserInfo: [] },
      { localId: 'd', phoneNumber: '+14155550103', disabled: true },
      { localId: 'e', phoneNumber: '+1415', createdAt: 1 },
      { localId: 'f', phoneNumber: '+14155550104', createdAt: 'soon' },
      null,
      { phoneNumber: 5, displayName: {}, createdAt: [], providerUserInfo: {} },
      { localId: 'i', phoneNumber: '+14155550105', createdAt: { toString: 1 } },
    ];
    const json = JSON.stringify({ users }, null, 2);
    const { code, output } = await importFile('firebase', json);
    expect(output).toBe(
      `${[
        'Not imported:',
        '  user 4: the user is disabled',
        '  user 5: the phone number is not valid',
        '  user 7: is not an object',
        'Imported without the time of creation:',
        '  user 6: createdAt must be milliseconds since 1970, and not in the future',
        '  user 9: createdAt must be milliseconds since 1970, and not in the future',
        'skipped 2 users without a phone number',
        'refused 3 users',
        'created 4 accounts',
      ].join('\n')}\n`,
    );
    expect(code).toBe(EXIT_DATA);
    expect(await userOf(api, '+14155550101')).toMatchObject({
      name: 'Ada',
      createdAt: new Date('2024-05-06T07:08:09Z'),
    });
  });

  it('reads a CSV export of auth.users of Supabase', async () => {
    const csv = [
      'id,phone,phone_confirmed_at,banned_until,deleted_at,raw_user_meta_data,created_at',
      '1,14155550101,2024-01-01,,,"{""name"": ""Ada""}",2024-05-06 07:08:09.123+00',
      '2,14155550102,2024-01-01,,,"{""full_name"": ""Grace""}",2024-05-06 07:08:09+00',
      '3,,,,,"{""name"": ""Someone""}",2024-05-06 07:08:09+00',
      '4,14155550103,,,,{},',
      '5,14155550104,2024-01-01,2099-01-01,,{},',
      '6,14155550105,2024-01-01,,2024-01-01,{},',
      '7,14155550106,2024-01-01,,,no JSON,',
      '8,14155550107,2024-01-01,2020-01-01 00:00:00+00,,{},',
      '9,14155550108,2024-01-01,NULL,null,{},NULL',
      '10,14155550109,NULL,,,{},',
      '11,14155550110,2024-01-01,infinity,,{},',
      '12,NULL,,,,{},',
    ].join('\n');
    const { code, output } = await importFile('supabase', csv);
    expect(output).toBe(
      `${[
        'Not imported:',
        '  line 5: the phone number is not confirmed',
        '  line 6: the user is banned',
        '  line 7: the user is deleted',
        '  line 11: the phone number is not confirmed',
        '  line 12: the user is banned',
        'skipped 2 users without a phone number',
        'refused 5 users',
        'created 5 accounts',
      ].join('\n')}\n`,
    );
    expect(code).toBe(EXIT_DATA);
    expect(await userOf(api, '+14155550101')).toMatchObject({
      name: 'Ada',
      createdAt: new Date('2024-05-06T07:08:09.123Z'),
    });
    expect(await userOf(api, '+14155550102')).toMatchObject({ name: 'Grace' });
  });

  it('warns of an export of Supabase without the column phone_confirmed_at', async () => {
    expect(await importFile('supabase', 'phone\n14155550101')).toEqual({
      code: 0,
      output:
        'warning: the file has no column phone_confirmed_at, so users whose number is not confirmed are imported, too\ncreated 1 account\n',
    });
  });

  it('creates a hundred thousand accounts, or fewer in a quick run', async () => {
    const lines = times(isFullScale ? 100_000 : 3_000, (i) => {
      const area = 201 + Math.floor(i / 10_000);
      return `+1${area}5${String(550_000 + (i % 10_000)).padStart(6, '0')},User ${i},2024-05-06`;
    });
    const { output } = await importFile('csv', `phone,name,created_at\n${lines.join('\n')}\n`);
    const [{ count = 0 } = {}] = await api.database.query<{ count: number }>(
      'select count(*)::int as count from users',
    );
    expect(output).toMatch(new RegExp(`\\ncreated ${count} accounts\\n$|^created ${count} accounts\\n$`));
    expect(count).toBeGreaterThan(lines.length * 0.8);
  });
});

it.each([
  ['csv', 'name\nAda', 'the first line must name a column phone, or phone_number'],
  ['csv', '', 'the file is empty'],
  ['csv', '\n\n', 'the file is empty'],
  ['csv', '"phone\n', 'line \\d: a quotation mark is not closed'],
  ['csv', 'phone;name\n1;Ada', 'the first line must name .*; columns are separated by commas'],
  ['supabase', '', 'the file is empty'],
  ['csv', 'phone,phone_number\n1,2', 'the first line must name a column phone, or phone_number'],
  ['supabase', 'name\nAda', 'the first line must name a column phone, as in an export'],
  ['firebase', '{"users": [', 'the file is not valid JSON'],
  ['firebase', '[]', 'the file has no list "users"'],
  ['firebase', 'null', 'the file has no list "users"'],
])('latchkey import refuses a file of another form: %s %j', async (format, content, message) => {
  const file = join(folder, `other.${format}`);
  writeFileSync(file, content);
  // Nothing listens there: the file is read first.
  const variables = { DATABASE_URL: 'postgres://127.0.0.1:1/none', SECRET };
  const { code, output } = await ServerProcess.spawn('cli', variables, ['import', format, file]).ended();
  expect(code).toBe(EXIT_DATA);
  expect(output).toMatch(new RegExp(`^latchkey: ${message}.*\\n$`));
});
