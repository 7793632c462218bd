import { type ChildProcessByStdio, spawn } from 'node:child_process';
import crypto, { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DataSource } from 'typeorm';
import { Unavailable } from '#errors';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { expectForgottenAfterASecond } from '../../../test/support/forgetting.js';
import { times } from '../../../test/support/repeat.js';
import { DataKeyEntity } from './data-key.entity.js';
import { DataKeyRepository, WrongSecret } from './data-key.repository.js';
import { developmentSecret } from './development-secret.js';
import { Keys, nameSecret, seal, unseal } from './keys.js';

const NUMBER = '+14155550123';
const old = nameSecret('the secret of last year, long enough');
const current = nameSecret('the secret of this year, long enough');

describe('seal', () => {
  const key = randomBytes(32);

  it.each(['', NUMBER, 'é'.repeat(1_000)])('encrypts %j so that only the key can decrypt it', (plaintext) => {
    const sealed = seal(key, Buffer.from(plaintext), 'here');
    expect(unseal(key, sealed, 'here').toString()).toBe(plaintext);
    expect(() => unseal(randomBytes(32), sealed, 'here')).toThrow();
    if (plaintext) expect(sealed.includes(plaintext)).toBe(false);
  });

  it('seals the same text differently each time', () => {
    const sealed = times(10, () => seal(key, Buffer.from(NUMBER), 'here').toString('hex'));
    expect(new Set(sealed).size).toBe(10);
  });

  it('unseals only in the same context', () => {
    expect(() => unseal(key, seal(key, Buffer.from(NUMBER), 'here'), 'there')).toThrow();
  });

  it('rejects any changed bit', () => {
    const sealed = seal(key, Buffer.from(NUMBER), 'here');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => unseal(key, changed, 'here')).toThrow();
    }
  });

  it.each(['', NUMBER])('rejects a truncated sealed %j', (plaintext) => {
    const sealed = seal(key, Buffer.from(plaintext), 'here');
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => unseal(key, sealed.subarray(0, length), 'here')).toThrow();
  });
});

describe('Keys', () => {
  const dataKey = randomBytes(32);
  const keys = new Keys(dataKey, current);

  it('unseals a phone number that it sealed', () => {
    const sealed = keys.seal(NUMBER);
    expect(keys.unseal(sealed)).toBe(NUMBER);
    expect(keys.seal(NUMBER)).not.toBe(sealed);
    expect(() => new Keys(randomBytes(32), current).unseal(sealed)).toThrow();
  });

  it('returns the same phone index after the secret was replaced', () => {
    expect(keys.phoneIndexOf(NUMBER)).toBe(keys.phoneIndexOf(NUMBER));
    expect(new Keys(dataKey, old).phoneIndexOf(NUMBER)).toBe(keys.phoneIndexOf(NUMBER));
  });

  it('computes a phone index again after a second, so that times do not tell which numbers were in use', async () => {
    const hashes = jest.spyOn(crypto, 'createHmac');
    const fresh = new Keys(randomBytes(32), current);
    await expectForgottenAfterASecond(hashes, () => fresh.phoneIndexOf(NUMBER));
  });

  it('returns different phone indexes for different numbers and different data keys', () => {
    expect(keys.phoneIndexOf('+14155550124')).not.toBe(keys.phoneIndexOf(NUMBER));
    expect(new Keys(randomBytes(32), current).phoneIndexOf(NUMBER)).not.toBe(keys.phoneIndexOf(NUMBER));
  });

  it('binds the key of a code to the secret, the verification and the phone number', () => {
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

  it('throws Unavailable for the key of a code under a secret that it does not have', () => {
    expect(() => keys.codeKey(old.id, 'a', NUMBER)).toThrow(Unavailable);
  });
});

describe('DataKeyRepository', () => {
  let server: TestDatabase;
  let source: DataSource;
  let dataKeys: DataKeyRepository;

  beforeAll(async () => {
    server = await freshDatabase();
    source = new DataSource({
      type: 'postgres',
      url: server.url,
      entities: [DataKeyEntity],
      poolSize: 10,
    });
    await source.initialize();
    dataKeys = new DataKeyRepository(new Database(source), source.getRepository(DataKeyEntity));
  });
  beforeEach(() => server.query('delete from data_keys'));
  afterAll(async () => {
    await source.destroy();
    await server.drop();
  });

  it('creates one key when many processes start at once', async () => {
    const loaded = await Promise.all(times(10, () => dataKeys.load(current, null)));
    expect(new Set(loaded.map((key) => key.toString('hex'))).size).toBe(1);
    expect(loaded[0]).toHaveLength(32);
    expect(await dataKeys.load(current, null)).toEqual(loaded[0]);
  });

  it('stores the key sealed', async () => {
    const dataKey = await dataKeys.load(current, null);
    const [row] = await server.query<{ dump: string }>('select k::text as dump from data_keys k');
    expect(row?.dump).toContain(current.id);
    expect(row?.dump).not.toContain(dataKey.toString('hex'));
    expect(row?.dump).not.toContain(current.bytes.toString('hex'));
  });

  it('seals the key under the new secret, so that old numbers stay readable', async () => {
    const sealed = new Keys(await dataKeys.load(old, null), old).seal(NUMBER);
    const duringRotation = await Promise.all(times(10, () => dataKeys.load(current, old)));
    for (const dataKey of duringRotation) expect(new Keys(dataKey, current, old).unseal(sealed)).toBe(NUMBER);

    expect(new Keys(await dataKeys.load(current, null), current).unseal(sealed)).toBe(NUMBER);
    await expect(dataKeys.load(old, null)).rejects.toThrow(WrongSecret);
  });

  it('rejects a wrong secret and keeps the stored key', async () => {
    const dataKey = await dataKeys.load(old, null);
    await expect(dataKeys.load(current, null)).rejects.toThrow(WrongSecret);
    await expect(dataKeys.load(current, nameSecret('a third one'))).rejects.toThrow(WrongSecret);
    expect(await dataKeys.load(old, null)).toEqual(dataKey);
  });
});

describe('developmentSecret', () => {
  let directory: string;

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'latchkey-keys-')), 'data');
  });
  afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

  it('generates one secret, in a file that only its owner can read', () => {
    const secret = developmentSecret(directory);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(developmentSecret(directory)).toBe(secret);
    expect(readdirSync(directory)).toEqual(['secret']);
    expect(statSync(join(directory, 'secret')).mode & 0o777).toBe(0o600);
  });

  it('generates a different secret in each directory', () => {
    expect(developmentSecret(join(directory, 'a'))).not.toBe(developmentSecret(join(directory, 'b')));
  });

  it.each([
    [
      'that it cannot create',
      () => join(import.meta.filename, 'data'),
      /^cannot keep a secret in \S+ \(ENOTDIR\): set DATA_DIR/,
    ],
    ['whose secret it cannot read', () => directory, /^cannot keep a secret in \S+ \(EISDIR\): set DATA_DIR/],
  ])('names the folder %s, and what to do', (_what, folder, expected) => {
    mkdirSync(join(directory, 'secret'), { recursive: true });
    expect(() => developmentSecret(folder())).toThrow(expected);
    expect(() => developmentSecret(folder())).toThrow(/ can write, or set SECRET$/);
  });

  it('generates one secret for processes that start together', async () => {
    const processes = times(4, () => startProcess());
    await Promise.all(processes.map(({ stdout }) => once(stdout, 'readable')));
    for (const { stdin } of processes) stdin.end();
    const outputs = await Promise.all(processes.map(({ stdout }) => text(stdout)));

    expect(outputs).toEqual(times(4, () => `ready\n${developmentSecret(directory)}\n`));
    expect(readdirSync(directory)).toEqual(['secret']);
  });

  /** Prints "ready", then reads the secret as soon as its standard input ends. */
  function startProcess(): ChildProcessByStdio<Writable, Readable, null> {
    const typescript = join(import.meta.dirname, '../../../test/support/typescript.cjs');
    const program = `
      const { developmentSecret } = require(${JSON.stringify(join(import.meta.dirname, 'development-secret.ts'))});
      process.stdin.resume().on('end', () => console.log(developmentSecret(${JSON.stringify(directory)})));
      console.log('ready');`;
    return spawn(process.execPath, ['--require', typescript, '--eval', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }
});
