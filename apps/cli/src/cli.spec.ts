import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { emptyDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { BUNDLE } from '../../../test/support/server-process.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const PROGRAM = path.join(BUNDLE, 'cli.js');
const COMMANDS = [
  [],
  ['clients'],
  ['doctor'],
  ['events'],
  ['import'],
  ['import', 'go'],
  ['import', 'csv'],
  ['import', 'firebase'],
  ['import', 'supabase'],
  ['keys'],
  ['keys', 'rotate'],
  ['migrate'],
  ['migrate', 'revert'],
  ['messages'],
  ['messages', 'lint'],
  ['numbers'],
  ['numbers', 'lookup'],
  ['sessions'],
  ['sessions', 'list'],
  ['sessions', 'end'],
  ['sessions', 'end-all'],
  ['simulate'],
  ['simulate', 'guess'],
  ['simulate', 'pump'],
  ['users'],
  ['users', 'show'],
  ['users', 'export'],
  ['users', 'delete'],
  ['webhooks'],
  ['webhooks', 'retry'],
  ['webhooks', 'test'],
];
const { version, bin } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));

/** Empty, unless a migration is what a spec is about. */
let database: TestDatabase;
beforeAll(async () => {
  database = await emptyDatabase();
});
afterAll(() => database.drop());

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  script: string,
  args: readonly string[],
  variables: Record<string, string> = {},
): Promise<Result> {
  const { PATH = '' } = process.env;
  const child: ChildProcess = spawn(process.execPath, [script, ...args], {
    cwd: BUNDLE,
    env: { PATH, DATABASE_URL: database.url, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    once(child, 'close'),
  ]);
  return { code: child.exitCode, stdout, stderr };
}

function latchkey(args: readonly string[], variables: Record<string, string> = {}): Promise<Result> {
  return run(PROGRAM, args, variables);
}

async function tables(): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_tables where schemaname in ('public', 'latchkey')`,
  );
  return rows.map(({ name }) => name);
}

/** Everything that a command writes: tables, and the charts. */
async function written(): Promise<unknown> {
  const charts = ['guess', 'pump'].map(
    (name) => statSync(path.join(ROOT, `bench/results/${name}.svg`)).mtimeMs,
  );
  return { tables: await tables(), charts };
}

describe('latchkey', () => {
  it.each(COMMANDS.map((words) => [words.join(' ') || '(no command)', words]))(
    'prints its help and does nothing else: %s',
    async (_name, words) => {
      const before = await written();
      const { code, stdout, stderr } = await latchkey([...words, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^Usage: ${['latchkey', ...words].join(' ')} \\[options\\]`));
      expect(await written()).toEqual(before);
    },
  );

  it.each([
    ['csv', 'a CSV file whose first line names the columns'],
    ['firebase', 'the JSON file of `firebase auth:export`'],
    ['supabase', 'a CSV export of the table auth.users'],
  ])('describes import %s in a whole sentence', async (format, file) => {
    const { stdout } = await latchkey(['import', format, '--help']);
    expect(stdout).toContain(`\nImports the users of ${file}.\n`);
  });

  it.each(COMMANDS.map((words) => [words.join(' ') || '(no command)', words]))(
    'exits with 2 and does nothing on an unknown word or option: %s',
    async (_name, words) => {
      const before = await written();
      const unknowns = [['nonsense'], ['--nonsense'], ['nonsense', '--nonsense']];
      const results = await Promise.all(unknowns.map((unknown) => latchkey([...words, ...unknown])));
      for (const { code, stdout, stderr } of results) {
        expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
        expect(stderr).toMatch(/^latchkey: .+; see --help\n$/);
      }
      expect(await written()).toEqual(before);
    },
  );

  it.each([
    [
      [],
      '"clients", "doctor", "events", "import", "keys", "migrate", "messages", "numbers", "sessions", "simulate", "users", or "webhooks"',
    ],
    [['clients'], '"add"'],
    [['import'], '"go", "csv", "firebase", or "supabase"'],
    [['keys'], '"rotate"'],
    [['sessions'], '"list", "end", or "end-all"'],
    [['users'], '"show", "export", or "delete"'],
    [['numbers'], '"lookup"'],
    [['messages'], '"lint"'],
    [['simulate'], '"guess" or "pump"'],
  ])('exits with 2 and names the expected words when one is missing: %j', async (words, expected) => {
    const { code, stdout, stderr } = await latchkey(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(`latchkey: expected ${expected}; see --help\n`);
  });

  it('names the unknown word and the expected ones', async () => {
    expect((await latchkey(['simulate', 'nonsense'])).stderr).toBe(
      'latchkey: expected "guess" or "pump", not "nonsense"; see --help\n',
    );
    expect((await latchkey(['migrate', 'nonsense'])).stderr).toBe(
      'latchkey: expected "revert" or no further word, not "nonsense"; see --help\n',
    );
  });

  it('creates a client, whose entry has the hash of the printed secret', async () => {
    const words = ['clients', 'add', 'shop', '--name', 'The shop', '--purposes', 'sign_in, verify'];
    const { code, stdout } = await latchkey(words);
    expect(code).toBe(0);
    const [secret = ''] = /^sk_[\w-]{43}$/m.exec(stdout) ?? [];
    expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toEqual({
      ...{ id: 'shop', name: 'The shop', purposes: ['sign_in', 'verify'] },
      secret_sha256: createHash('sha256').update(secret).digest('hex'),
    });
    expect((await latchkey(words)).stdout).not.toContain(secret);
  });

  it.each([
    [['a:b'], 'id must be 1 to 64 letters, digits and . _ -'],
    [['shop', '--purposes', 'all'], 'purposes must be one or more of: introspect, sign_in, verify'],
    [['shop', '--name', ''], 'name must be text of 1 to 100 characters'],
  ])('creates no client from %j', async (words, rule) => {
    const { code, stdout, stderr } = await latchkey(['clients', 'add', ...words]);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `latchkey: ${rule}\n` });
  });

  it('prints its version', async () => {
    expect(await latchkey(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('latchkey migrate', () => {
  afterEach(async () => {
    await database.query('drop schema if exists latchkey cascade');
  });

  /** The first line of the output: the database and its server, without the password. */
  const named = () => {
    const { pathname, host } = new URL(database.url);
    return `database: ${pathname.slice(1)} on ${host}\n`;
  };

  it('names the database, applies pending migrations, and prints only the result after that', async () => {
    const { code, stdout, stderr } = await latchkey(['migrate']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.slice(0, named().length)).toBe(named());
    expect(stdout.slice(named().length)).toMatch(/^applied CreateUsers\d+, .+\n$/);
    expect(await tables()).toContain('latchkey.users');

    const again = { code: 0, stdout: `${named()}nothing to apply\n`, stderr: '' };
    expect(await latchkey(['migrate'])).toEqual(again);
  });

  it('reverts the newest migration', async () => {
    await latchkey(['migrate']);
    const applied = await database.query<{ name: string }>('select name from migrations order by id desc');
    const { code, stdout } = await latchkey(['migrate', 'revert']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${named()}reverted ${applied[0]?.name}\n` });
    expect(await database.query('select name from migrations order by id desc')).toEqual(applied.slice(1));
  });

  it('exits with 78 and does nothing on an invalid environment', async () => {
    const { code, stdout, stderr } = await latchkey(['migrate'], { DATABASE_SCHEMA: 'pg_nonsense' });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toContain('DATABASE_SCHEMA: ');
    expect(stderr).not.toContain('pg_nonsense');
    expect(await tables()).toEqual([]);
  });

  it('needs neither a secret nor a message provider in production', async () => {
    const { code, stdout, stderr } = await latchkey(['migrate'], { NODE_ENV: 'production' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('\napplied CreateUsers');
  });

  it.each([[['migrate']], [['migrate', 'revert']]])(
    'refuses the embedded database in production: %j',
    async (args) => {
      const { code, stdout, stderr } = await latchkey(args, { DATABASE_URL: '', NODE_ENV: 'production' });
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
      expect(stderr).toContain('DATABASE_URL: is required in production');
    },
  );

  it('names the database before it fails, without the password', async () => {
    const DATABASE_URL = 'postgres://latchkey:hunter2@127.0.0.1:1/none';
    for (const args of [['migrate'], ['numbers', 'lookup', '+14155550100']]) {
      const { code, stdout, stderr } = await latchkey(args, { DATABASE_URL, SECRET: 's'.repeat(32) });
      expect(code).toBe(1);
      expect(stdout + stderr).toMatch(
        /^database: none on 127\.0\.0\.1:1\nLatchkey failed: cannot use DATABASE_URL/,
      );
      expect(stdout + stderr).not.toContain('hunter2');
    }
  });
});

describe('latchkey messages lint', () => {
  it('prints the report and exits with 0 when no text has a fault', async () => {
    const { code, stdout, stderr } = await latchkey(['messages', 'lint']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\n\n0 faults in \d+ messages\n$/);
  });

  it('exits with 1 when a text has a fault', async () => {
    const { code, stdout } = await latchkey(['messages', 'lint'], {
      BRAND: 'Ж'.repeat(30),
      SMS_ORIGIN: 'a-very-long-name-of-a-host.login.example.com',
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ .*\n\n[1-9]\d* faults in \d+ messages\n$/s);
  });

  it('exits with 78 on an invalid environment', async () => {
    const { code, stdout, stderr } = await latchkey(['messages', 'lint'], { PORT: '70000' });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(/^latchkey: invalid environment variables:\n {2}PORT: .+\n$/);
  });
});

describe('latchkey numbers lookup', () => {
  it('exits with 2 on what is no number, and does not repeat it', async () => {
    const { code, stdout, stderr } = await latchkey(['numbers', 'lookup', '4155550100']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe('latchkey: expected a phone number, such as +14155550100; see --help\n');
  });

  it('reads the number from standard input', async () => {
    // Standard input is empty here.
    expect(await latchkey(['numbers', 'lookup', '-'])).toMatchObject({ code: 2, stdout: '' });
  });

  it('fails and creates nothing without an installation', async () => {
    const variables = { SECRET: 'a secret that is long enough for a test' };
    const { code, stdout, stderr } = await latchkey(['numbers', 'lookup', '+14155550100'], variables);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^database: .+\nLatchkey failed: .*the schema .* has pending migrations/);
    expect(await tables()).toEqual([]);
  });
});

describe('latchkey simulate', () => {
  it.each(['guess', 'pump'])(
    '%s exits with 78 and draws nothing when the policy file is invalid',
    async (attack) => {
      const before = await written();
      const { code, stdout, stderr } = await latchkey(['simulate', attack, '--policy', '/nonexistent']);
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
      expect(stderr).toBe('latchkey: --policy: the file cannot be read: ENOENT\n');
      expect(await written()).toEqual(before);
    },
  );

  it.each([
    ['after', ['pump', '--seed', '-1']],
    ['before', ['--seed', '1.5', 'pump']],
  ])('rejects a seed that is not a whole number, %s the name of the attack', async (_where, args) => {
    const { code, stdout, stderr } = await latchkey(['simulate', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('expected a whole number of at most nine digits');
  });
});

describe('the scripts', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  /** A project folder without dependencies, and with nothing built. */
  function bareProject(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-scripts-'));
    folders.push(folder);
    cpSync(path.join(ROOT, 'scripts'), path.join(folder, 'scripts'), { recursive: true });
    cpSync(path.join(ROOT, 'package.json'), path.join(folder, 'package.json'));
    return folder;
  }

  it('run the command line program as the bin of the package', async () => {
    expect(await run(path.join(ROOT, bin.latchkey), ['--version'])).toMatchObject({
      code: 0,
      stdout: `${version}\n`,
    });
  });

  it('exit with 1 and one line when nothing is built and the builder is missing', async () => {
    const { code, stdout, stderr } = await run(path.join(bareProject(), bin.latchkey), ['migrate']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'Not built, and @nestjs/cli is not installed: run `npm ci --include=dev`, then `npm run build`.\n',
    );
  });

  it('run an old build when the builder is missing, with the arguments as given', async () => {
    const folder = bareProject();
    for (const program of ['api', 'cli']) {
      const file = path.join(folder, `dist/bundle/${program}.js`);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, 'console.log(JSON.stringify(process.argv.slice(2)))');
      utimesSync(file, 1, 1);
    }
    const { code, stdout, stderr } = await run(path.join(folder, bin.latchkey), [
      'simulate',
      'pump',
      '--json',
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '["simulate","pump","--json"]\n' });
    expect(stderr).toBe('Running an old build: @nestjs/cli is not installed.\n');
  });

  it('print the usage of run.mjs', async () => {
    const { code, stdout, stderr } = await run(path.join(ROOT, 'scripts/run.mjs'), ['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: node scripts\/run\.mjs \[api\|worker\|cli\|build\]/);
  });

  it('exit with 2 on an unknown program', async () => {
    const { code, stdout, stderr } = await run(path.join(ROOT, 'scripts/run.mjs'), ['nonsense']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe('run.mjs: expected "api", "worker", "cli", or "build", not "nonsense"\n');
  });
});
