import { nameDatabase, withVerifiedTls } from './connection.js';
import { explainConnectionFault } from './connection-fault.js';
import { sharePool } from './pool-shares.js';
import { chooseSchema } from './schemas.js';

describe('chooseSchema', () => {
  const content = (own: string | null, installations: string[]) => ({ own, installations });

  it.each([
    ['a new database', content(null, []), null, 'latchkey', false],
    ['a role with an empty schema of its own', content('auth', []), null, 'auth', false],
    ['a new database with a name', content('auth', []), 'other', 'other', false],
    ['an old installation', content(null, ['public']), null, 'public', true],
    ['an old installation by name', content(null, ['public']), 'public', 'public', true],
    ["another role's empty schema beside one", content('auth', ['public']), null, 'public', true],
    ['several, one of them its own', content('b', ['a', 'b']), null, 'b', true],
    ['a new schema beside an installation', content(null, ['public']), 'other', 'other', false],
  ])('in %s', (_name, found, configured, name, isInstalled) => {
    const otherInstallations = isInstalled ? [] : found.installations;
    expect(chooseSchema(found, configured)).toEqual({ name, isInstalled, otherInstallations });
  });

  it('demands DATABASE_SCHEMA where there are several installations', () => {
    expect(() => chooseSchema(content('other', ['a', 'b']), null)).toThrow(/a, b: set DATABASE_SCHEMA/);
    expect(chooseSchema(content(null, ['a', 'b']), 'b').name).toBe('b');
  });
});

describe('sharePool', () => {
  it.each([4, 20, 100])('leaves one of %d connections to listen for tasks', (size) => {
    expect(sharePool(size, true)).toEqual({ pool: size - 1, listeners: 1 });
    expect(sharePool(size, false)).toEqual({ pool: size, listeners: 0 });
  });
});

describe('nameDatabase', () => {
  it.each([
    ['postgres://app:hunter2@db.example:6543/latchkey', 'latchkey on db.example:6543'],
    [
      'postgres://app:hunter2@db.example/latchkey?sslmode=require&sslrootcert=/none',
      'latchkey on db.example:5432',
    ],
    ['postgres://app:hunter2@db.example', 'app on db.example:5432'],
    ['postgres://app:h%40nter2@[::1]/a%20b', 'a b on ::1:5432'],
    [
      'postgres:///latchkey?host=/run/postgresql&user=app&password=hunter2',
      'latchkey on /run/postgresql:5432',
    ],
  ])('names the database of %s', (url, name) => {
    expect(nameDatabase(url)).toBe(name);
  });
});

describe('withVerifiedTls', () => {
  it.each([
    ['?sslmode=require', '?sslmode=verify-full'],
    ['?sslmode=prefer&sslrootcert=/ca.pem', '?sslmode=verify-full&sslrootcert=%2Fca.pem'],
    ['?sslmode=no-verify', '?sslmode=no-verify'],
    ['?sslmode=disable', '?sslmode=disable'],
    ['?uselibpqcompat=true&sslmode=require', '?uselibpqcompat=true&sslmode=require'],
    ['', ''],
  ])('of %j is %j', (query, expected) => {
    expect(withVerifiedTls(`postgres://app:p%40w@db:5432/latchkey${query}`)).toBe(
      `postgres://app:p%40w@db:5432/latchkey${expected}`,
    );
  });
});

describe('explainConnectionFault', () => {
  it.each([
    [{ code: 'SELF_SIGNED_CERT_IN_CHAIN', message: 'self-signed certificate' }, 'sslrootcert'],
    [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID', message: 'does not match' }, 'host name of the certificate'],
    [{ message: 'The server does not support SSL connections' }, 'sslmode=disable'],
    [{ code: '28000', message: 'no pg_hba.conf entry for host "::1", no encryption' }, 'sslmode=require'],
    [{ code: '08P01', message: 'unsupported startup parameter: options' }, 'ignore_startup_parameters'],
    [{ code: '53300', message: 'too many connections for role "app"' }, 'DATABASE_POOL_SIZE'],
    [{ message: 'Query read timeout' }, 'default_pool_size'],
    [{ code: '42501', message: 'permission denied for database latchkey' }, 'create schema latchkey'],
    [{ code: '42501', message: 'permission denied for schema public' }, 'grant usage, create on schema'],
  ])('names the cure of %j', (fault, cure) => {
    expect(explainConnectionFault(fault)).toMatch(new RegExp(`^${fault.message}: .*${cure}`));
    expect(explainConnectionFault({ driverError: fault })).toContain(cure);
  });

  it('returns the message of any other error', () => {
    expect(explainConnectionFault(new Error('connect ECONNREFUSED 127.0.0.1:1'))).toBe(
      'connect ECONNREFUSED 127.0.0.1:1',
    );
  });
});
