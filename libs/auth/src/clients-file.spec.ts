import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readClients } from './clients-file.js';

const SECRET = 'a secret of a client';
const ENTRY = {
  id: 'shop',
  name: 'The shop',
  secret_sha256: createHash('sha256').update(SECRET).digest('hex'),
  purposes: ['introspect'],
};

describe('readClients', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-clients-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function read(content: unknown) {
    const file = join(folder, 'clients.json');
    writeFileSync(file, JSON.stringify(content));
    return readClients(file);
  }

  it('reads clients, whose secret is right or wrong', () => {
    const clients = read({ clients: [ENTRY, { ...ENTRY, id: 'other', limits: { introspect: '3/1m' } }] });
    expect(clients.find('shop', SECRET)).toMatchObject({
      ...{ id: 'shop', name: 'The shop', purposes: ['introspect'] },
      limits: { introspect: { points: 5_000, seconds: 10 } },
    });
    expect(clients.find('other', SECRET)?.limits).toEqual({
      introspect: { points: 3, seconds: 60 },
      sends: { points: 300, seconds: 600 },
      checks: { points: 600, seconds: 600 },
    });
    for (const [id, secret] of [
      ['shop', 'wrong'],
      ['shop', ''],
      ['shop', ENTRY.secret_sha256],
      ['unknown', SECRET],
      ['__proto__', SECRET],
    ] as const)
      expect(clients.find(id, secret)).toBeNull();
  });

  it('finds a client by a secret that is its own', () => {
    const other = { ...ENTRY, id: 'other', secret_sha256: '0'.repeat(64) };
    const shared = read({ clients: [ENTRY, { ...ENTRY, id: 'second' }, other] });
    expect(read({ clients: [ENTRY, other] }).findBySecret(SECRET)).toMatchObject({ id: 'shop' });
    expect(read({ clients: [ENTRY, other] }).findBySecret('wrong')).toBeNull();
    expect(shared.findBySecret(SECRET)).toBeNull();
  });

  it.each([
    [['introspect'], false],
    [['introspect', 'verify'], true],
    [['sign_in'], true],
  ])('says whether clients with the purposes %j request codes: %s', (purposes, requestCodes) => {
    expect(read({ clients: [{ ...ENTRY, purposes }] }).requestCodes).toBe(requestCodes);
  });

  it('has no clients without a file', () => {
    expect(readClients(null).find('shop', SECRET)).toBeNull();
  });

  it.each([
    [[], 'the file must be an object'],
    [{}, 'clients must be a list'],
    [{ clients: {} }, 'clients must be a list'],
    [{ clients: ['x'] }, 'clients.0 must be an object'],
    [{ clients: [], more: 1 }, 'more is not known here'],
    [{ clients: [{ ...ENTRY, secret: 'x' }] }, 'clients.0.secret is not known here'],
    [{ clients: [{ ...ENTRY, id: 'a:b' }] }, 'clients.0.id must be 1 to 64 letters, digits and . _ -'],
    [{ clients: [{ ...ENTRY, name: '' }] }, 'clients.0.name must be text of 1 to 100 characters'],
    [{ clients: [{ ...ENTRY, secret_sha256: 'abc' }] }, 'clients.0.secret_sha256 must be the SHA-256'],
    [{ clients: [{ ...ENTRY, purposes: [] }] }, 'clients.0.purposes must not be empty'],
    [{ clients: [{ ...ENTRY, purposes: ['all'] }] }, 'clients.0.purposes must be one or more of: introspect'],
    [{ clients: [{ ...ENTRY, limits: { introspect: 5 } }] }, 'clients.0.limits.introspect must be a rate'],
    [{ clients: [{ ...ENTRY, limits: { other: '5/1m' } }] }, 'clients.0.limits.other is not known here'],
    [{ clients: [ENTRY, ENTRY] }, 'clients: two have the same id'],
  ])('does not accept %j', (content, message) => {
    expect(() => read(content)).toThrow(message);
  });

  it('names a missing file by its code', () => {
    expect(() => readClients(join(folder, 'missing'))).toThrow('the file cannot be read: ENOENT');
  });
});
