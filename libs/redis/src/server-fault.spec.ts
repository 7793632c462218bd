import { isNearlyFull, mayEvict, readMemoryUse } from './memory-use.js';
import { isOfCluster, isReadOnly, isUnavailable } from './replies.js';
import { connectionFault, hintFor, rightsFault } from './server-fault.js';

function errorWith(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

describe('connectionFault', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'NODE_EXTRA_CA_CERTS'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'NODE_EXTRA_CA_CERTS'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'NODE_EXTRA_CA_CERTS'],
    ['CERT_HAS_EXPIRED', 'renew it'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'another host'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls-auth-clients no'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'redis://'],
    ['EPROTO', 'redis://'],
  ])('says what cures %s', (code, cure) => {
    expect(connectionFault(errorWith(code))).toContain(cure);
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN'])('lets %s pass', (code) => {
    expect(connectionFault(errorWith(code))).toBeNull();
  });

  it.each(['LOADING Redis is loading the dataset in memory', 'MASTERDOWN Link with MASTER is down'])(
    'lets a reply pass: %s',
    (message) => expect(connectionFault(reply(message))).toBeNull(),
  );
});

describe('hintFor', () => {
  it.each([
    ['rediss://cache', 'ETIMEDOUT', 'redis://'],
    ['redis://cache', 'ECONNRESET', 'rediss://'],
  ])('suspects the scheme of %s after %s', (url, code, scheme) => {
    expect(hintFor(errorWith(code), url.startsWith('rediss:'))).toContain(scheme);
  });

  it.each(['ECONNREFUSED', 'ENOTFOUND'])('suspects nothing after %s', (code) => {
    expect(hintFor(errorWith(code), true)).toBe('');
    expect(hintFor(errorWith(code), false)).toBe('');
  });
});

describe('rightsFault', () => {
  const run = (name: string) => `NOPERM this user has no permissions to run the '${name}' command`;

  it.each([
    ['nothing', ['QUEUED', 'OOM command not allowed'], null],
    ['commands', [run('get'), 'QUEUED'], 'may not run A;'],
    [
      'keys of Redis 7',
      ['NOPERM No permissions to access a key', 'QUEUED'],
      'may not use keys that begin with latchkey:;',
    ],
    [
      'keys of Redis 6',
      ['QUEUED', 'NOPERM this user has no permissions to access one of the keys used as arguments'],
      'may not use keys that begin with latchkey:;',
    ],
    ['both', [run('get'), 'NOPERM No permissions to access a key'], 'may not run A or use keys'],
  ])('names what is missing: %s', (_name, messages, expected) => {
    const replies = messages.map((message, i) => ({ name: 'AB'[i] as string, message }));
    const fault = rightsFault(replies, 'app');
    if (expected === null) expect(fault).toBeNull();
    else expect(fault).toContain(`the Redis user "app" ${expected}`);
  });
});

describe('A reply', () => {
  it.each([
    'OOM command not allowed when used memory > maxmemory. script: ffff, on @user_script:1.',
    "ERR Error running script: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    'NOPERM this user has no permissions to run the evalsha command',
    "ERR Error running script: @user_script:1: The user executing the script can't run this command or subcommand",
    'NOAUTH Authentication required.',
    'MOVED 3999 127.0.0.1:6381',
    "CROSSSLOT Keys in request don't hash to the same slot",
    'ERR max number of clients reached',
    'MISCONF Redis is configured to save RDB snapshots',
  ])('means that Redis is unavailable: %s', (message) => {
    expect(isUnavailable(reply(message))).toBe(true);
  });

  it.each(['ERR wrong number of arguments', 'WRONGTYPE Operation against a key', 'ERR unknown command'])(
    'is a bug: %s',
    (message) => expect(isUnavailable(reply(message))).toBe(false),
  );

  it('tells a replica and a cluster', () => {
    expect(isReadOnly(reply("READONLY You can't write against a read only replica."))).toBe(true);
    expect(isReadOnly(reply('OOM command not allowed'))).toBe(false);
    expect(isOfCluster(reply('MOVED 3999 127.0.0.1:6381'))).toBe(true);
    expect(isOfCluster(reply('OOM command not allowed'))).toBe(false);
  });
});

describe('The memory of Redis', () => {
  const info = (used: number, max: number, policy = 'noeviction') =>
    readMemoryUse(
      `# Memory\r\nused_memory:${used}\r\nused_memory_rss:9\r\nmaxmemory:${max}\r\nmaxmemory_policy:${policy}\r\n`,
    );

  it.each([
    [79, 100, false, false],
    [80, 100, false, true],
    [76, 100, true, true],
    [74, 100, true, false],
    [1_000, 0, false, false],
  ])('%d of %d, nearly full before: %s, is nearly full: %s', (used, max, before, expected) => {
    expect(isNearlyFull(info(used, max), before)).toBe(expected);
  });

  it.each([
    ['noeviction', false],
    ['allkeys-lru', true],
    ['volatile-ttl', true],
    ['', false],
  ])('is evicted with the policy "%s": %s', (policy, expected) => {
    expect(mayEvict(info(1, 2, policy))).toBe(expected);
  });
});
