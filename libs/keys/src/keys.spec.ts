import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DataSource } from 'typeorm';
import { Unavailable } from '#errors';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { DataKeyRepository, WrongSecret } from './data-key.repository.js';
import { Keys, nameSecret, seal, unseal } from './keys.js';
import { madeUpSecret } from './made-up-secret.js';

const NUMBER = '+14155550123';
const old = nameSecret('the secret of last year, long enough');
const current = nameSecret('the secret of this year, long enough');

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));

describe('seal', () => {
  const key = randomBytes(32);

  it.each(['', NUMBER, 'é'.repeat(1_000)])('hides %j from all but the key', (plaintext) => {
    const sealed = seal(key, Buffer.from(plaintext), 'here');
    expect(unseal(key, sealed, 'here').toString()).toBe(plaintext);
    expect(() => unseal(randomBytes(32), sealed, 'here')).toThrow();
    if (plaintext) expect(sealed.includes(plaintext)).toBe(false);
  });

  it('seals the same differently each time', () => {
    const sealed = times(10, () => seal(key, Buffer.from(NUMBER), 'here').toString('hex'));
    expect(new Set(sealed).size).toBe(10);
  });

  it('opens in its own context only', () => {
    expect(() => unseal(key, seal(key, Buffer.from(NUMBER), 'here'), 'there')).toThrow();
  });

  it('notices one changed bit, wherever it is', () => {
    const sealed = seal(key, Buffer.from(NUMBER), 'here');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => unseal(key, changed, 'here')).toThrow();
    }
  });

  it.each(['', NUMBER])('notices that the end of a sealed %j is missing', (plaintext) => {
    const sealed = seal(key, Buffer.from(plaintext), 'here');
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => unseal(key, sealed.subarray(0, length), 'here')).toThrow();
  });
});

describe('Keys', () => {
  const dataKey = randomBytes(32);
  const keys = new Keys(dataKey, current);

  it('reads a number again that it sealed', () => {
    const sealed = keys.seal(NUMBER);
    expect(keys.unseal(sealed)).toBe(NUMBER);
    expect(keys.seal(NUMBER)).not.toBe(sealed);
    expect(() => new Keys(randomBytes(32), current).unseal(sealed)).toThrow();
  });

  it('finds a number by an index that stays the same, whatever the secret', () => {
    expect(keys.indexOf(NUMBER)).toBe(keys.indexOf(NUMBER));
    expect(new Keys(dataKey, old).indexOf(NUMBER)).toBe(keys.indexOf(NUMBER));
  });

  it('gives each number, and each data key, an index of its own', () => {
    expect(keys.indexOf('+14155550124')).not.toBe(keys.indexOf(NUMBER));
    expect(new Keys(randomBytes(32), current).indexOf(NUMBER)).not.toBe(keys.indexOf(NUMBER));
  });

  it('binds the key of a code to the secret, the verification and the number', () => {
    const both = new Keys(dataKey, current, old);
    const codeKeys = [
      both.codeKey(current.id, 'a', NUMBER),
      both.codeKey(old.id, 'a', NUMBER),
      both.codeKey(current.id, 'b', NUMBER),
      both.codeKey(current.id, 'a', '+14155550124'),
    ].map((key) => key.toString('hex'));
    expect(new Set(codeKeys).size).toBe(4);
    expect(both.codeKey(current.id, 'a', NUMBER).toString('hex')).toBe(codeKeys[0]);
    expect(both.secretId).toBe(current.id);
  });

  it('cannot make the key of a code whose secret it was not given', () => {
    expect(() => keys.codeKey(old.id, 'a', NUMBER)).toThrow(Unavailable);
  });
});

describe('DataKeyRepository', () => {
  let server: TestDatabase;
  let source: DataSource;
  let dataKeys: DataKeyRepository;

  beforeAll(async () => {
    server = await freshDatabase();
    source = await new DataSource({ type: 'postgres', url: server.url, poolSize: 10 }).initialize();
    dataKeys = new DataKeyRepository(new Database(source));
  });
  beforeEach(() => server.query('delete from data_keys'));
  afterAll(async () => {
    await source.destroy();
    await server.drop();
  });

  it('makes one key, however many start at once', async () => {
    const loaded = await Promise.all(times(10, () => dataKeys.load(current, null)));
    expect(new Set(loaded.map((key) => key.toString('hex'))).size).toBe(1);
    expect(loaded[0]).toHaveLength(32);
    expect(await dataKeys.load(current, null)).toEqual(loaded[0]);
  });

  it('keeps the key sealed', async () => {
    const dataKey = await dataKeys.load(current, null);
    const [row] = await server.query<{ dump: string }>('select k::text as dump from data_keys k');
    expect(row?.dump).toContain(current.id);
    expect(row?.dump).not.toContain(dataKey.toString('hex'));
    expect(row?.dump).not.toContain(current.bytes.toString('hex'));
  });

  it('hands the key over from one secret to the next, so that old numbers stay readable', async () => {
    const sealed = new Keys(await dataKeys.load(old, null), old).seal(NUMBER);
    const duringRotation = await Promise.all(times(10, () => dataKeys.load(current, old)));
    for (const dataKey of duringRotation) expect(new Keys(dataKey, current, old).unseal(sealed)).toBe(NUMBER);

    expect(new Keys(await dataKeys.load(current, null), current).unseal(sealed)).toBe(NUMBER);
    await expect(dataKeys.load(old, null)).rejects.toThrow(WrongSecret);
  });

  it('refuses another secret, and forgets nothing because of it', async () => {
    const dataKey = await dataKeys.load(old, null);
    await expect(dataKeys.load(current, null)).rejects.toThrow(WrongSecret);
    await expect(dataKeys.load(current, nameSecret('a third one'))).rejects.toThrow(WrongSecret);
    expect(await dataKeys.load(old, null)).toEqual(dataKey);
  });
});

describe('madeUpSecret', () => {
  let directory: string;

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'latchkey-keys-')), 'data');
  });
  afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

  it('makes one secret, and keeps it where only its owner can read it', () => {
    const secret = madeUpSecret(directory);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(madeUpSecret(directory)).toBe(secret);
    expect(readdirSync(directory)).toEqual(['secret']);
    expect(statSync(join(directory, 'secret')).mode & 0o777).toBe(0o600);
  });

  it('makes another one elsewhere', () => {
    expect(madeUpSecret(join(directory, 'a'))).not.toBe(madeUpSecret(join(directory, 'b')));
  });

  it('makes one secret for processes that start together', async () => {
    const processes = times(4, () => startProcess());
    await Promise.all(processes.map(({ stdout }) => once(stdout, 'readable')));
    for (const { stdin } of processes) stdin.end();
    const said = await Promise.all(processes.map(({ stdout }) => text(stdout)));

    expect(said).toEqual(times(4, () => `ready\n${madeUpSecret(directory)}\n`));
    expect(readdirSync(directory)).toEqual(['secret']);
  });

  /** Says that it is ready, then makes a secret as soon as its standard input ends. */
  function startProcess(): ChildProcessByStdio<Writable, Readable, null> {
    const typescript = join(import.meta.dirname, '../../../test/support/typescript.cjs');
    const program = `
      const { madeUpSecret } = require(${JSON.stringify(join(import.meta.dirname, 'made-up-secret.ts'))});
      process.stdin.resume().on('end', () => console.log(madeUpSecret(${JSON.stringify(directory)})));
      console.log('ready');`;
    return spawn(process.execPath, ['--require', typescript, '--eval', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }
});
