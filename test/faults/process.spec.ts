import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/databases.js';
import { withClient } from '../support/postgres.js';
import { ServerProcess } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

const processes: ServerProcess[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(processes.splice(0).map((server) => server.end('SIGTERM')));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function someFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-start-'));
  chmodSync(folder, 0o711);
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

/** Runs the sign-in that the server prints in a shell, as a person would paste it. */
async function pasteBanner(server: ServerProcess): Promise<string> {
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  const lines = server.output.split('\n').filter((line) => /^(curl|CODE=|TOKEN=)/.test(line));
  const [ask, ...rest] = lines as [string, ...string[]];
  const inbox = /http\S+\/dev\/inbox/.exec(server.output)?.[0];
  const shell = promisify(execFile);
  await shell('bash', ['-c', ask]);
  await waitFor(
    'the message',
    async () => ((await fetch(`${inbox}/messages`).then((r) => r.json())) as unknown[]).length > 0,
  );
  return (await shell('bash', ['-c', rest.join('\n')])).stdout;
}

describe('A start without databases', () => {
  it('prints a sign-in that works when pasted', async () => {
    const server = await start({ DATA_DIR: someFolder() });
    expect(JSON.parse(await pasteBanner(server))).toMatchObject({ user: { phone_number: '+14155550100' } });
  });

  it('keeps users, tokens and the secret for the next start, and exits with 0', async () => {
    const DATA_DIR = someFolder();
    const first = await start({ DATA_DIR });
    const token = await signUp(first);
    const { code } = await first.end('SIGINT');
    expect(code).toBe(0);

    const second = await start({ DATA_DIR });
    const { status, body } = await second.client.as(token).get('/protected');
    expect(status).toBe(200);
    expect(body.user.phone_number).toBe('+14155550100');
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
    const shell = spawn('sh', ['-c', 'node scripts/run.mjs api; true'], {
      cwd: resolve(import.meta.dirname, '../..'),
      env: { PATH: process.env.PATH, PORT: '0', LOG_LEVEL: 'warn', DATA_DIR },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    shell.stdout.on('data', (text) => {
      output += text;
    });
    await waitFor('the server', () => output.includes('Latchkey is up'), 60_000);
    const [, url] = /API +(\S+)/.exec(output) as unknown as [string, string];
    shell.kill('SIGKILL');
    await waitFor('the end', () =>
      fetch(`${url}/health/live`).then(
        () => false,
        () => true,
      ),
    );
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
    const tables = () =>
      withClient(database.url, async (client) => {
        const { rows } = await client.query(`select tablename from pg_tables where schemaname = 'public'`);
        return rows.map(({ tablename }) => tablename);
      });
    expect(await tables()).toContain('bad_numbers');
    const { code } = await ServerProcess.spawn('cli', { DATABASE_URL: database.url }, [
      'migrate',
      'revert',
    ]).ended();
    expect(code).toBe(0);
    expect(await tables()).not.toContain('bad_numbers');
    expect(await tables()).toContain('users');
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
