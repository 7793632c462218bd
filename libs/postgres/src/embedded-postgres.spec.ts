import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';

const isRoot = process.getuid?.() === 0;
const otherUser = { uid: 65_534, gid: 65_534 };

let playground: string;
/** A directory that contains a cluster. No server runs there when a test begins. */
let home: string;

beforeAll(async () => {
  playground = await mkdtemp(join(tmpdir(), 'latchkey-postgres-'));
  await chmod(playground, 0o711);
  home = join(playground, 'home');
  await given.server(home);
});

afterEach(async () => {
  await given.nothingLeft();
});

afterAll(async () => {
  await rm(playground, { recursive: true, force: true });
});

describe('startEmbeddedPostgres', () => {
  it('sets up a server that accepts local connections with its password only', async () => {
    const { url } = await given.server(home);

    const [settings] = await query(
      url,
      `select current_setting('server_version_num')::int / 10000 as version,
              current_setting('server_encoding') as encoding,
              current_setting('max_connections') as connections,
              current_setting('listen_addresses') as addresses,
              current_setting('unix_socket_directories') as sockets,
              (select datcollate from pg_database where datname = current_database()) as locale,
              (select rolsuper from pg_roles where rolname = current_user) as superuser,
              (select array_agg(distinct auth_method) from pg_hba_file_rules) as methods`,
    );
    expect(settings).toEqual({
      version: 18,
      encoding: 'UTF8',
      connections: '100',
      addresses: '127.0.0.1',
      sockets: '',
      locale: 'C',
      superuser: true,
      methods: ['scram-sha-256'],
    });
    expect(new URL(url)).toMatchObject({
      username: 'latchkey',
      hostname: '127.0.0.1',
      pathname: '/latchkey',
    });
    expect((await stat(join(home, 'cluster', 'password'))).mode & 0o777).toBe(0o600);
    await expect(query(url.replace(/:[^:@]+@/, ':guessed@'), 'select 1')).rejects.toThrow('authentication');
  });

  it('keeps data across restarts', async () => {
    const first = await given.server(home);
    await query(first.url, 'create table kept as select 42 as answer');
    await first.stop();
    expect(await isUp(first.url)).toBe(false);

    const second = await given.server(home);
    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('does not log errors, which may quote phone numbers', async () => {
    const { url } = await given.server(home);
    await query(url, 'create table accounts (phone_number text primary key)');
    await query(url, `insert into accounts values ('+12015550123')`);
    await expect(query(url, `insert into accounts values ('+12015550123')`)).rejects.toThrow('duplicate');
    expect(await readFile(join(home, 'server.log'), 'utf8')).not.toContain('+12015550123');
  });

  it('can be stopped twice', async () => {
    const server = await given.server(home);
    await Promise.all([server.stop(), server.stop()]);
    expect(await isUp(server.url)).toBe(false);
  });

  it('takes over the server of a killed process, and stops it', async () => {
    const orphan = await given.serverElsewhere(home);
    await kill(orphan.process);
    expect(await isUp(orphan.url)).toBe(true);

    const next = await given.server(home);
    expect(next.url).toBe(orphan.url);
    await next.stop();
    expect(await isUp(orphan.url)).toBe(false);
  });

  it('joins a server in use, and leaves it running for the others', async () => {
    const elsewhere = await given.serverElsewhere(home);
    const joined = await given.server(home);
    expect(joined.url).toBe(elsewhere.url);
    await joined.stop();
    expect(await isUp(elsewhere.url)).toBe(true);

    const last = await given.server(home);
    await elsewhere.stop();
    expect(await isUp(last.url)).toBe(true);
    await last.stop();
    expect(await isUp(last.url)).toBe(false);
  });

  it.each([
    ['on a new directory', () => join(playground, 'contested')],
    ['on an old directory', () => home],
  ])('starts one server for processes that start at the same moment %s', async (_, directory) => {
    const starts = await Promise.all([1, 2].map(() => given.serverElsewhere(directory())));
    const [url = '', ...others] = new Set(starts.map((start) => start.url));
    expect(others).toEqual([]);
    expect(await isUp(url)).toBe(true);

    await Promise.all(starts.map((start) => start.stop()));
    expect(await isUp(url)).toBe(false);
  });

  it('has a running server when one process starts while another stops', async () => {
    const first = await given.server(home);
    const [second] = await Promise.all([given.server(home), first.stop()]);
    expect(await isUp(second.url)).toBe(true);
  });

  it('starts after a first start was killed half-way', async () => {
    const directory = join(playground, 'interrupted');
    const starter = given.starter(directory);
    await until(async () => (await filesBelow(directory)).some((file) => file.endsWith('data/PG_VERSION')));
    await kill(starter);
    expect(existsSync(join(directory, 'cluster'))).toBe(false);

    const { url } = await given.server(directory);
    expect(await isUp(url)).toBe(true);
    expect((await readdir(directory)).sort()).toEqual(['cluster', 'server.log']);
  });

  it('starts after the server itself was killed', async () => {
    const victim = await given.server(home);
    await query(victim.url, 'create table survivor as select 1 as one');
    process.kill(await lockedBy(home), 'SIGKILL');

    const { url } = await given.server(home);
    expect(await query(url, 'select one from survivor')).toEqual([{ one: 1 }]);
  });

  it('does not mistake another process for the server when its pid was reused', async () => {
    const { uid, gid } = await stat(home);
    const other = given.process(spawn('sleep', ['600'], isRoot ? { uid, gid } : {}));
    const lock = [other.pid, join(home, 'cluster', 'data'), 0, 5432, '', '127.0.0.1', '1 1', 'ready   ', ''];
    await writeFile(lockFileOf(home), lock.join('\n'));

    const { url } = await given.server(home);
    expect(await isUp(url)).toBe(true);
    expect(other.exitCode).toBeNull();
  });

  it('starts after a crash that emptied the lock file', async () => {
    await writeFile(lockFileOf(home), '');
    const { url } = await given.server(home);
    expect(await isUp(url)).toBe(true);
  });

  it('quotes the server log when the server does not start', async () => {
    const directory = join(playground, 'broken');
    await (await given.server(directory)).stop();
    await appendFile(join(directory, 'cluster', 'data', 'postgresql.conf'), '\nnonsense = on\n');
    await expect(startEmbeddedPostgres(directory)).rejects.toThrow(
      'unrecognized configuration parameter "nonsense"',
    );
  });

  it('suggests DATABASE_URL on a platform without binaries', async () => {
    const arch = process.arch;
    Object.defineProperty(process, 'arch', { value: 's390x' });
    try {
      await expect(startEmbeddedPostgres(home)).rejects.toThrow(/s390x.*set DATABASE_URL/);
    } finally {
      Object.defineProperty(process, 'arch', { value: arch });
    }
  });

  it.each([
    ['below a file', (file: string) => join(file, 'data', 'postgres'), 'ENOTDIR'],
    ['in the place of a file', (file: string) => file, 'EEXIST'],
    ['with a name that is too long', () => join(playground, 'x'.repeat(300)), 'ENAMETOOLONG'],
  ])('names the folder that it cannot create %s, and what to do', async (_where, directory, code) => {
    const file = join(playground, 'file');
    await writeFile(file, '');
    await expect(startEmbeddedPostgres(directory(file))).rejects.toThrow(
      new RegExp(
        `^cannot create ${playground}/\\S+ as the user id \\d+ \\(${code}\\): set DATA_DIR to .*, or set DATABASE_URL$`,
      ),
    );
  });

  if (isRoot) {
    it('names the folder that another user must not write to or read', async () => {
      const directory = join(playground, 'foreign', 'postgres');
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await chmod(join(playground, 'foreign'), 0o755);
      for (const path of [directory, join(playground, 'foreign', 'another')]) {
        const failure = await as(otherUser.uid, () =>
          startEmbeddedPostgres(path).catch((error) => error.message),
        );
        expect(failure).toMatch(/^cannot create \S+ as the user id 65534 \(EACCES\): set DATA_DIR to /);
        expect(failure).toContain(path);
      }
    });

    it('names the folder that Postgres cannot enter when root starts it', async () => {
      const closed = join(playground, 'closed');
      await mkdir(closed, { mode: 0o700 });
      await expect(startEmbeddedPostgres(join(closed, 'below'))).rejects.toThrow(
        `cannot enter ${closed}: set DATA_DIR`,
      );
    });

    it('runs as the owner of the directory when root starts it', async () => {
      const directory = join(playground, 'owned');
      await mkdir(directory);
      await chown(directory, otherUser.uid, otherUser.gid);
      await given.server(directory);
      expect(await stat(join(directory, 'cluster', 'data'))).toMatchObject(otherUser);
    });

    it('reports a user id without a name', async () => {
      const directory = join(playground, 'nameless');
      await mkdir(directory);
      await chown(directory, 12_345, 12_345);
      await expect(startEmbeddedPostgres(directory)).rejects.toThrow(
        /^the user id 12345 has no name.*set DATABASE_URL$/,
      );
    });

    it('starts as an unprivileged user', async () => {
      const directory = join(playground, 'unprivileged');
      await mkdir(directory);
      await chown(directory, otherUser.uid, otherUser.gid);
      const { url, stop } = await given.serverElsewhere(directory, otherUser);
      expect(await isUp(url)).toBe(true);
      await stop();
      expect(await isUp(url)).toBe(false);
    });
  }
});

const started: EmbeddedPostgres[] = [];
const processes: ChildProcess[] = [];
const directories = new Set<string>();

const given = {
  async server(directory: string): Promise<EmbeddedPostgres> {
    directories.add(directory);
    const server = await startEmbeddedPostgres(directory);
    started.push(server);
    return server;
  },

  /** Starts a server in another process, which uses it until it is killed or stopped. */
  async serverElsewhere(directory: string, user?: typeof otherUser) {
    const starter = given.starter(directory, user);
    const stop = async () => {
      starter.stdin.end();
      await ended(starter);
    };
    for await (const url of createInterface({ input: starter.stdout }))
      return { url, process: starter, stop };
    throw new Error('the other process started no server; see its error above');
  },

  /** Starts a process that starts a server, prints its URL, and stops when its standard input ends. */
  starter(directory: string, user?: typeof otherUser) {
    directories.add(directory);
    const here = import.meta.dirname;
    const program = `
      const { startEmbeddedPostgres } = require(${JSON.stringify(join(here, 'embedded-postgres.ts'))});
      startEmbeddedPostgres(${JSON.stringify(directory)}).then(({ url, stop }) => {
        console.log(url);
        process.stdin.resume().on('end', stop);
      });`;
    const typescript = join(here, '../../../test/support/typescript.cjs');
    const starter = spawn(process.execPath, ['--require', typescript, '--eval', program], {
      ...user,
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    given.process(starter);
    return starter;
  },

  process<T extends ChildProcess>(child: T): T {
    processes.push(child);
    return child;
  },

  /** Ends everything that a test started, also after a failure. */
  async nothingLeft(): Promise<void> {
    await Promise.all(processes.splice(0).map(kill));
    await Promise.all(started.splice(0).map((server) => server.stop()));
    for (const directory of directories) {
      if (existsSync(lockFileOf(directory))) await (await startEmbeddedPostgres(directory)).stop();
    }
    directories.clear();
  },
};

/** Runs work as another user. */
async function as<T>(uid: number, work: () => Promise<T>): Promise<T> {
  const { geteuid, seteuid } = process;
  const before = geteuid?.() ?? 0;
  seteuid?.(uid);
  try {
    return await work();
  } finally {
    seteuid?.(before);
  }
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function isUp(url: string): Promise<boolean> {
  try {
    await query(url, 'select 1');
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    return false;
  }
}

/** Kills a process and its group, such as initdb. A Postgres server has a process group of its own. */
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || !child.pid) return;
  const isLeader = child.spawnargs.includes('--eval');
  process.kill(isLeader ? -child.pid : child.pid, 'SIGKILL');
  await ended(child);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function lockedBy(directory: string): Promise<number> {
  return Number.parseInt(await readFile(lockFileOf(directory), 'utf8'), 10);
}

function lockFileOf(directory: string): string {
  return join(directory, 'cluster', 'data', 'postmaster.pid');
}

async function filesBelow(directory: string): Promise<string[]> {
  return existsSync(directory) ? readdir(directory, { recursive: true }) : [];
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(5);
}
