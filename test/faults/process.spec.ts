import { execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { readConfig } from '#config';
import { banner } from '../../apps/api/src/banner.js';
import { startEmbeddedPostgres } from '../../libs/postgres/src/embedded-postgres.js';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { withClient } from '../support/postgres.js';
import { times } from '../support/repeat.js';
import { BUNDLE, ServerProcess } from '../support/server-process.js';
import { GENEROUS } from '../support/settings.js';
import { newestCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const processes: ServerProcess[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(processes.splice(0).map((server) => server.end('SIGTERM')));
  for (const folder of folders.splice(0)) {
    await stopOrphan(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Stops the Postgres that a killed process left behind, as when a test was too slow. */
async function stopOrphan(folder: string): Promise<void> {
  if (isRunningIn(folder)) await (await startEmbeddedPostgres(join(folder, 'postgres'))).stop();
}

/** Returns true if the embedded Postgres of the folder runs, or was killed. */
function isRunningIn(folder: string): boolean {
  return existsSync(join(folder, 'postgres/cluster/data/postmaster.pid'));
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-start-'));
  chmodSync(folder, 0o711);
  return folder;
}

/** Makes a folder that is deleted after the test. */
function someFolder(): string {
  const folder = newFolder();
  folders.push(folder);
  return folder;
}

async function start(variables: Record<string, string>): Promise<ServerProcess> {
  const server = await ServerProcess.api(variables);
  processes.push(server);
  return server;
}

async function signUp({ client }: ServerProcess, phone_number = '+14155550100'): Promise<string> {
  await client.post('/signup', { phone_number });
  const otp = await waitFor('the code', async () => (await client.get('/dev/inbox/messages')).body[0]?.code);
  return (await client.post('/signup', { phone_number, otp })).body.token;
}

/** Runs the sign-in of the banner in a shell, as a person would paste it. */
async function pasteBanner({ client }: ServerProcess): Promise<string> {
  const lines = banner(client.url, readConfig({})).split('\n');
  const [ask, ...rest] = lines.filter((line) => /^(curl|CODE=|TOKEN=)/.test(line)) as [string, ...string[]];
  const shell = promisify(execFile);
  await shell('bash', ['-c', ask]);
  const [phoneNumber] = /\+\d+/.exec(ask) as RegExpExecArray;
  await newestCode(client, phoneNumber);
  return (await shell('bash', ['-c', rest.join('\n')])).stdout;
}

/** Settings of a developer who sets nothing. */
const UNSET = Object.fromEntries(Object.keys(GENEROUS).map((name) => [name, '']));

describe('A start without databases', () => {
  describe('and settings', () => {
    let server: ServerProcess;
    let folder: string;

    beforeAll(async () => {
      folder = newFolder();
      server = await ServerProcess.api({ ...UNSET, DATA_DIR: folder, DOCS: 'off', METRICS_PORT: '0' });
    });
    afterAll(async () => {
      await server.end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    });

    it('logs JSON lines only, with names of levels and without polled routes, where stdout is no terminal', async () => {
      for (const path of ['/health/live', '/health/ready', '/dev/inbox/messages']) {
        await server.client.get(path, { 'x-forwarded-for': '198.51.100.7' });
      }
      await server.client.post('/signup', { phone_number: '+14155550101' });
      await waitFor('the request in the log', () => server.output.includes('"/signup"'));
      const lines = server.output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).toContainEqual(expect.objectContaining({ level: 'info', msg: 'Latchkey is up' }));
      expect(lines.filter(({ msg }) => msg === 'request').map(({ route }) => route)).toEqual(['/signup']);
      expect(lines.filter(({ event }) => event === 'untrusted_proxy')).toEqual([
        expect.objectContaining({ level: 'warn', address: '127.0.0.1', header: 'x-forwarded-for' }),
      ]);
    });

    it('has a banner whose sign-in works when pasted', async () => {
      expect(JSON.parse(await pasteBanner(server))).toMatchObject({ user: { phone_number: '+14155550100' } });
    });

    it('refuses no message that only the inbox gets, but records what production would refuse', async () => {
      const numbers = [...times(12, () => '+14155550123'), ...times(36, someNumber)];
      for (const phone_number of numbers) {
        const { status, body } = await server.client.post('/v1/verifications', { phone_number });
        expect([status, body]).toEqual([202, expect.anything()]);
      }
      const lines = server.output.split('\n').filter((line) => line.includes('would_refuse'));
      expect(new Set(lines.map((line) => JSON.parse(line).name))).toEqual(
        new Set(['cool_down', 'sends_per_number', 'sends_per_address', 'contested', 'address']),
      );
      expect(lines.every((line) => line.includes('would refuse (enforced in production): '))).toBe(true);
    });

    it('serves metrics on their own port, and no documents, when told to', async () => {
      for (const path of ['/metrics', '/docs', '/openapi.json']) {
        expect([path, (await server.client.get(path)).status]).toEqual([path, 404]);
      }
      const [, metrics = ''] = /"metrics":"([^"]+)"/.exec(server.output) ?? [];
      expect(await (await fetch(metrics)).text()).toContain('latchkey_http_request_duration_seconds');
    });
  });

  it('keeps users, tokens and the secret for the next start, and exits with 0', async () => {
    const DATA_DIR = someFolder();
    const NODE_OPTIONS = `--require ${resolve(import.meta.dirname, '../support/loaded-packages.cjs')}`;
    const first = await start({ DATA_DIR, NODE_OPTIONS });
    const token = await signUp(first);
    const { code, output } = await first.end('SIGINT');
    expect(code).toBe(0);
    // A second copy of a package that is in the bundle has classes and registries of its own.
    const [, loaded = 'no list'] = /^loaded: (.*)$/m.exec(output) ?? [];
    expect(loaded).toMatch(/\bpino\b/);
    expect(loaded).not.toMatch(/\b(typeorm|pg|class-validator|class-transformer|fastify|ioredis|rxjs)\b/);

    const second = await start({ DATA_DIR });
    const { status, body } = await second.client.as(token).get('/protected');
    expect(status).toBe(200);
    expect(body.user.phone_number).toBe('+14155550100');

    // A closing terminal and its shell each send one.
    process.kill(second.pid, 'SIGHUP');
    expect((await second.end('SIGHUP')).code).toBe(0);
    expect(isRunningIn(DATA_DIR)).toBe(false);
  });

  it('takes over the Postgres of a killed process and stops it', async () => {
    const DATA_DIR = someFolder();
    const killed = await start({ DATA_DIR });
    const token = await signUp(killed);
    await killed.end('SIGKILL');

    const next = await start({ DATA_DIR });
    expect((await next.client.as(token).get('/protected')).status).toBe(200);
    expect((await next.end('SIGTERM')).code).toBe(0);

    // Nothing holds the folder any more: a third start launches a new Postgres.
    const third = await start({ DATA_DIR });
    expect((await third.client.as(token).get('/protected')).status).toBe(200);
  });
});

describe('A running server', () => {
  it('survives uncaught errors and unhandled rejections', async () => {
    // Runs in the server: waits until the error handlers are installed, then causes both kinds of errors.
    const stray = `const timer = setInterval(() => {
      if (process.listenerCount('uncaughtException') === 0) return;
      clearInterval(timer);
      Promise.reject(new Error('stray'));
      throw new Error('lost');
    }, 10)`;
    const NODE_OPTIONS = `--import "data:text/javascript,${encodeURIComponent(stray)}"`;
    const server = await start({ DATA_DIR: someFolder(), NODE_OPTIONS });
    await waitFor(
      'the errors',
      () => server.output.includes('Error: stray') && server.output.includes('Error: lost'),
    );
    expect(await signUp(server)).toMatch(/^[A-Z2-7]{26}$/);
  });
});

describe('A server that is stopped', () => {
  it('exits with 0 although Redis was never reachable', async () => {
    const server = await start({
      DATA_DIR: someFolder(),
      REDIS_URL: 'redis://127.0.0.1:1',
      DRAIN_TIMEOUT: '1s',
    });
    expect((await server.client.get('/health/ready')).body.dependencies.redis.status).toBe('down');
    expect((await server.end('SIGTERM')).code).toBe(0);
  });

  it('ends when its npm process is killed', async () => {
    const DATA_DIR = someFolder();
    const script = resolve(import.meta.dirname, '../../scripts/run.mjs');
    const shell = spawn('sh', ['-c', `node "${script}" api; true`], {
      cwd: BUNDLE,
      env: { PATH: process.env.PATH, PORT: '0', DATA_DIR },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    shell.stdout.on('data', (text) => {
      output += text;
    });
    await waitFor('the server', () => output.includes('Latchkey is up'), 60_000);
    const [, url] = /"url":"([^"]+)"/.exec(output) as unknown as [string, string];
    shell.kill('SIGKILL');
    await waitFor('the end', () =>
      fetch(`${url}/health/live`).then(
        () => false,
        () => true,
      ),
    );
  });
});

describe('A command that is stopped', () => {
  it.each([
    ['SIGHUP', 129],
    ['SIGTERM', 143],
  ] as const)('by %s stops its Postgres and exits with %d', async (signal, expected) => {
    const DATA_DIR = someFolder();
    const embedded = await startEmbeddedPostgres(join(DATA_DIR, 'postgres'));
    const ended = await withClient(embedded.url, async (blocker) => {
      // The command waits for a lock while it creates the table of migrations.
      await blocker.query('create schema latchkey');
      await blocker.query('begin; create table latchkey.migrations ()');
      const command = ServerProcess.spawn('cli', { DATA_DIR }, ['migrate']);
      processes.push(command);
      await waitFor('the lock', async () => {
        const { rows } = await blocker.query('select from pg_locks where not granted');
        return rows.length > 0;
      });
      // From now on the command is the only process that uses the server.
      await embedded.stop();
      return command.end(signal);
    }).finally(() => embedded.stop());
    expect(ended.output).toMatch(/^database: the embedded one in .*postgres\n/);
    expect(ended.code).toBe(expected);
    expect(isRunningIn(DATA_DIR)).toBe(false);
  });
});

describe('A failing start', () => {
  it('names every invalid variable at once, without values, and exits with 78', async () => {
    const server = ServerProcess.spawn('api', {
      PORT: '70000',
      OTP_TTL: '1h',
      SECRET: 'too short a secret',
      TWILIO_AUTH_TOKEN: 'an-auth-token-of-twilio',
    });
    const { code, output } = await server.ended();
    expect(code).toBe(78);
    for (const name of ['PORT', 'OTP_TTL', 'SECRET', 'TWILIO_ACCOUNT_SID', 'TWILIO_FROM'])
      expect(output).toContain(name);
    for (const value of ['70000', 'too short a secret', 'an-auth-token-of-twilio'])
      expect(output).not.toContain(value);
  });

  it('names every development default that production forbids', async () => {
    const { code, output } = await ServerProcess.spawn('api', { NODE_ENV: 'production' }).ended();
    expect(code).toBe(78);
    for (const name of ['DATABASE_URL', 'SECRET', 'MESSAGE_SENDER']) expect(output).toContain(`${name}: `);
  });

  it('of a worker reports that the inbox cannot be its provider', async () => {
    const { code, output } = await ServerProcess.spawn('worker', { DATA_DIR: someFolder() }).ended();
    expect(code).toBe(78);
    expect(output).toContain('MESSAGE_SENDER: ');
  });

  it('reports a port that is in use', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await waitFor('the port', () => blocker.listening);
    const port = String((blocker.address() as { port: number }).port);
    const { code, output } = await ServerProcess.spawn('api', { DATA_DIR: someFolder(), PORT: port }).ended();
    blocker.close();
    expect(code).toBe(1);
    expect(output).toContain('EADDRINUSE');
  });

  it('reports that Postgres is unreachable', async () => {
    const { code, output } = await ServerProcess.spawn('api', {
      DATABASE_URL: 'postgres://latchkey@127.0.0.1:1/none',
    }).ended();
    expect(code).toBe(1);
    expect(output).toContain('DATABASE_URL: connect ECONNREFUSED');
  });
});

describe('Migrations', () => {
  let database: TestDatabase;
  afterEach(() => database.drop());

  it('are applied once by several parallel processes', async () => {
    database = await emptyDatabase();
    const DATABASE_URL = database.url;
    const ends = await Promise.all(
      [1, 2, 3].map(() => ServerProcess.spawn('cli', { DATABASE_URL }, ['migrate']).ended()),
    );
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(ends.filter(({ output }) => output.includes('CreateUsers'))).toHaveLength(1);
  });

  it('are demanded, but not applied, when MIGRATE_ON_START is off', async () => {
    database = await emptyDatabase();
    const { code, output } = await ServerProcess.spawn('api', {
      DATABASE_URL: database.url,
      MIGRATE_ON_START: 'off',
    }).ended();
    expect(code).toBe(1);
    expect(output).toContain('npm run migrate');
  });

  it('can be reverted one by one', async () => {
    database = await freshDatabase();
    const applied = () =>
      withClient(database.url, async (client) => {
        const { rows } = await client.query('select name from migrations order by id');
        return rows.map(({ name }) => name);
      });
    const before = await applied();
    const { code } = await ServerProcess.spawn('cli', { DATABASE_URL: database.url }, [
      'migrate',
      'revert',
    ]).ended();
    expect(code).toBe(0);
    expect(await applied()).toEqual(before.slice(0, -1));
  });

  it('report when there is nothing to revert', async () => {
    database = await emptyDatabase();
    const end = await ServerProcess.spawn('cli', { DATABASE_URL: database.url }, [
      'migrate',
      'revert',
    ]).ended();
    expect(end).toMatchObject({ code: 0, output: expect.stringContaining('nothing to revert') });
  });
});
