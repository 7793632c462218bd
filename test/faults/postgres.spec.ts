import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { migrate } from '#postgres';
import { startEmbeddedPostgres } from '../../libs/postgres/src/embedded-postgres.js';
import { emptyDatabase, type TestDatabase } from '../support/databases.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { someNumber } from '../support/phone-numbers.js';
import { withClient } from '../support/postgres.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { ServerProcess } from '../support/server-process.js';
import { USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { findProgram } from '../support/system-programs.js';
import { newestCode, signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const pgbouncer = findProgram(['pgbouncer'], 'PgBouncer in front of Postgres');

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Creates a database as Postgres makes it: without a search path, tables or rights for ordinary roles. */
async function newDatabase(): Promise<TestDatabase & { readonly name: string }> {
  const database = await emptyDatabase();
  closers.push(() => database.drop());
  const name = new URL(database.url).pathname.slice(1);
  await database.query(`alter database ${name} reset all`);
  return { ...database, name };
}

/** Creates a role and returns its name and its URL of the database. */
async function newRole(database: TestDatabase, options = ''): Promise<{ role: string; url: string }> {
  const role = `role_${randomBytes(6).toString('hex')}`;
  await database.query(`create role ${role} login password 'secret' ${options}`);
  closers.push(async () => {
    await database.query(`drop owned by ${role} cascade`);
    await database.query(`drop role ${role}`);
  });
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'secret'];
  return { role, url: url.href };
}

async function startApi(variables: Record<string, string>) {
  const server = await ServerProcess.api({ ...USUAL_DATABASE_TIMEOUT, ...variables });
  closers.push(() => server.end());
  const { client } = server;
  return { client, server, codeFor: (phoneNumber: string) => newestCode(client, phoneNumber) };
}

/** Runs a program that is expected to fail, and returns its exit code and the last line of its output. */
async function failureOf(program: 'api' | 'cli', variables: Record<string, string>, args: string[] = []) {
  const { code, output } = await ServerProcess.spawn(program, variables, args).ended();
  return { code, lastLine: output.trimEnd().split('\n').at(-1) };
}

async function schemasOf(database: TestDatabase, table: string): Promise<string[]> {
  const rows = await database.query<{ schema: string }>(
    'select schemaname as schema from pg_tables where tablename = $1 order by 1',
    [table],
  );
  return rows.map(({ schema }) => schema);
}

describe('A role of one schema', () => {
  it('signs users in where the database has unusual defaults', async () => {
    const database = await newDatabase();
    const { role, url } = await newRole(database);
    await database.query(`create schema auth authorization ${role}`);
    await database.query(`create schema bullmq authorization ${role}`);
    await database.query(`alter role ${role} set search_path to auth`);
    const defaults = {
      datestyle: 'SQL, DMY',
      intervalstyle: 'sql_standard',
      timezone: 'Asia/Kolkata',
      array_nulls: 'off',
      bytea_output: 'escape',
      standard_conforming_strings: 'off',
      default_transaction_isolation: 'serializable',
      lock_timeout: '1ms',
      statement_timeout: '5s',
      idle_in_transaction_session_timeout: '1ms',
      idle_session_timeout: '5s',
    };
    for (const [name, value] of Object.entries(defaults))
      await database.query(`alter database ${database.name} set ${name} to '${value}'`);

    const { client, codeFor } = await startApi({ DATABASE_URL: url });
    const phone_number = someNumber();
    const { status, body } = await client.post('/v1/verifications', { phone_number });
    expect(status).toBe(202);
    const dates = [body.created_at, body.expires_at, body.resend_at, body.delivery.updated_at];
    for (const date of dates) expect(date).toMatch(RFC_3339);
    const code = await codeFor(phone_number);
    const answers = await Promise.all(
      times(5, () => client.post(`/v1/verifications/${body.id}/check`, { code })),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(await schemasOf(database, 'users')).toEqual(['auth']);
    expect(await schemasOf(database, 'tasks')).toEqual(['auth']);
  });

  it('is named with the grants that it lacks', async () => {
    const database = await newDatabase();
    const { url: DATABASE_URL } = await newRole(database);
    const inNew = await failureOf('cli', { DATABASE_URL }, ['migrate']);
    expect(inNew).toEqual({
      code: 1,
      lastLine: expect.stringContaining('create schema latchkey authorization'),
    });
    const inPublic = await failureOf('cli', { DATABASE_URL, DATABASE_SCHEMA: 'public' }, ['migrate']);
    expect(inPublic).toEqual({ code: 1, lastLine: expect.stringContaining('grant usage, create on schema') });
  });
});

describe('A new installation', () => {
  it('does not touch the tables of another program', async () => {
    const database = await newDatabase();
    for (const table of ['users', 'migrations', 'tokens', 'tasks', 'limits'])
      await database.query(`create table public.${table} (theirs int)`);
    await signIn(await startApi({ DATABASE_URL: database.url }));
    expect(await schemasOf(database, 'users')).toEqual(['latchkey', 'public']);
    expect(await database.query('select theirs from public.users')).toEqual([]);
  });
});

describe('An installation of an older version', () => {
  it('stays in its schema, and a start beside it is refused', async () => {
    const database = await newDatabase();
    await migrate(database.url, 'public');
    const server = await startApi({ DATABASE_URL: database.url });
    await signIn(server);
    expect(await schemasOf(database, 'users')).toEqual(['public']);

    const beside = await failureOf('api', { DATABASE_URL: database.url, DATABASE_SCHEMA: 'other' });
    expect(beside).toEqual({ code: 1, lastLine: expect.stringContaining('Latchkey is installed in public') });
    expect(await schemasOf(database, 'users')).toEqual(['public']);
  });
});

describe('DATABASE_POOL_SIZE', () => {
  it('bounds all connections of a process', async () => {
    const database = await newDatabase();
    const { role, url } = await newRole(database, 'connection limit 20');
    await database.query(`create schema latchkey authorization ${role}`);
    const first = await startApi({ DATABASE_URL: url, DATABASE_POOL_SIZE: '12' });
    let most = 0;
    const watch = setInterval(async () => {
      const [row] = await database.query<{ count: number }>(
        'select count(*)::int from pg_stat_activity where usename = $1',
        [role],
      );
      most = Math.max(most, row?.count ?? 0);
    }, 50);
    const ask = (phone_number: string) => first.client.post('/v1/verifications', { phone_number });
    const answers = await mapInFlight(times(60, someNumber), ask, BURST);
    clearInterval(watch);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(14); // the server counts a closed connection for a moment
    const second = await startApi({ DATABASE_URL: url, DATABASE_POOL_SIZE: '6' });
    expect((await second.client.get('/health/ready')).status).toBe(200);
  });

  it('has a minimum', async () => {
    const { code, lastLine } = await failureOf('api', { DATABASE_POOL_SIZE: '3' });
    expect(code).toBe(78);
    expect(lastLine).toContain('DATABASE_POOL_SIZE: must be a whole number from 4 to 1000');
  });
});

describe('Readiness', () => {
  it('fails while requests cannot write, add tasks or find their tables', async () => {
    const database = await newDatabase();
    const { client, server } = await startApi({ DATABASE_URL: database.url });
    const untilState = (state: Record<string, string>) =>
      waitFor(`the state ${JSON.stringify(state)}`, async () => {
        const { body } = await client.get('/health/ready');
        return Object.entries(state).every(([name, status]) => body.dependencies[name].status === status);
      });
    await untilState({ postgres: 'up', queue: 'up' });

    await database.query('alter table latchkey.tasks rename to mislaid');
    await untilState({ postgres: 'up', queue: 'down' });
    await database.query('alter table latchkey.mislaid rename to tasks');
    await database.query('alter table latchkey.verifications rename to mislaid');
    await untilState({ postgres: 'down', queue: 'up' });
    await database.query('alter table latchkey.mislaid rename to verifications');
    await untilState({ postgres: 'up', queue: 'up' });

    await database.query(`alter database ${database.name} set default_transaction_read_only to on`);
    await database.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [database.name],
    );
    await untilState({ postgres: 'down' });
    expect((await client.post('/v1/verifications', { phone_number: someNumber() })).status).toBe(503);
    await server.end();
  });
});

if (pgbouncer) {
  describe('PgBouncer', () => {
    async function throughPgBouncer(settings: Record<string, string>): Promise<string> {
      const database = await newDatabase();
      const pooler = await PgBouncer.before(pgbouncer as string, database.url, settings);
      closers.push(() => pooler.stop());
      return pooler.url;
    }

    it('with session pooling lets 120 users sign in, many of them at once', async () => {
      const server = await startApi({ DATABASE_URL: await throughPgBouncer({ pool_mode: 'session' }) });
      const { client, codeFor } = server;
      const open = async (phone_number: string) => {
        const { body } = await client.post('/v1/verifications', { phone_number });
        return { id: body.id, phone_number };
      };
      const opened = await mapInFlight(times(120, someNumber), open, BURST);
      const codes = await mapInFlight(opened, ({ phone_number }) => codeFor(phone_number));
      const check = ({ id }: { id: string }, i: number) =>
        client.post(`/v1/verifications/${id}/check`, { code: codes[i] });
      const answers = await mapInFlight(opened, check, BURST);
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    });

    it.each([
      [{ pool_mode: 'transaction' }],
      [{ pool_mode: 'transaction', ignore_startup_parameters: 'extra_float_digits' }],
      [{ pool_mode: 'transaction', default_pool_size: '1' }],
      [{ pool_mode: 'transaction', server_round_robin: '1', min_pool_size: '2' }],
      [{ pool_mode: 'statement' }],
    ])('ends the migration and says what is needed: %j', async (settings) => {
      const { code, lastLine } = await failureOf('cli', { DATABASE_URL: await throughPgBouncer(settings) }, [
        'migrate',
      ]);
      expect(code).toBe(1);
      expect(lastLine).toMatch(/direct address of Postgres, or session pooling/);
    });

    it('with transaction pooling ends the start and says what is needed', async () => {
      const DATABASE_URL = await throughPgBouncer({ pool_mode: 'transaction' });
      const { code, lastLine } = await failureOf('api', { DATABASE_URL });
      expect(code).toBe(1);
      expect(lastLine).toMatch(/direct address of Postgres, or session pooling/);
    });
  });
}

const openssl = findProgram(['openssl'], 'TLS to Postgres');
if (openssl) {
  describe('TLS', () => {
    it('is verified, and each failure names its cure', async () => {
      const { url, ca } = await startWithTls();
      const migrateBy = (query: string, variables = {}) =>
        failureOf('cli', { DATABASE_URL: `${url}${query}`, ...variables }, ['migrate']);

      expect(await migrateBy('')).toEqual({ code: 1, lastLine: expect.stringContaining('sslmode=require') });
      const unknown = await migrateBy('?sslmode=require');
      expect(unknown).toEqual({ code: 1, lastLine: expect.stringContaining('sslrootcert') });
      expect(unknown.lastLine).toContain('NODE_EXTRA_CA_CERTS');
      expect(await migrateBy(`?sslmode=verify-full&sslrootcert=${ca}`)).toMatchObject({ code: 0 });
      expect(await migrateBy('?sslmode=require', { NODE_EXTRA_CA_CERTS: ca })).toMatchObject({ code: 0 });
      expect(await migrateBy('?sslmode=no-verify')).toMatchObject({ code: 0 });
    });
  });
}

/** The embedded server's own connections, to another database, have no TLS. */
const HBA = `hostssl latchkey all 127.0.0.1/32 scram-sha-256
host postgres all 127.0.0.1/32 scram-sha-256
`;

/** Starts a Postgres that takes TLS only, with a certificate of a certificate authority of its own. */
async function startWithTls(): Promise<{ url: string; ca: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-tls-'));
  closers.push(() => rm(folder, { recursive: true }));
  await chmod(folder, 0o711);
  const postgres = await startEmbeddedPostgres(join(folder, 'postgres'));
  closers.push(() => postgres.stop());
  const [ca, data] = [join(folder, 'ca.pem'), join(folder, 'postgres/cluster/data')];
  await createCertificates(folder);
  const { uid, gid } = await stat(data);
  for (const file of ['server.pem', 'server.key']) {
    await copyFile(join(folder, file), join(data, file));
    await chmod(join(data, file), 0o600);
    await chown(join(data, file), uid, gid);
  }
  await writeFile(join(data, 'pg_hba.conf'), HBA);
  await withClient(postgres.url, async (client) => {
    await client.query(`alter system set ssl_cert_file to 'server.pem'`);
    await client.query(`alter system set ssl_key_file to 'server.key'`);
    await client.query('alter system set ssl to on');
    await client.query('select pg_reload_conf()');
  });
  const url = postgres.url.replace('127.0.0.1', 'localhost');
  return { url, ca };
}

async function createCertificates(folder: string): Promise<void> {
  const run = promisify(execFile);
  const inFolder = { cwd: folder };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-subj', '/CN=An authority', '-keyout', 'ca.key', '-out', 'ca.pem'];
  await run('openssl', ['req', '-x509', ...key, ...authority, '-days', '2'], inFolder);
  const server = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-keyout', 'server.key', '-out', 'server.pem'];
  await run('openssl', ['req', '-x509', ...key, ...server, ...signed, '-days', '2'], inFolder);
}
