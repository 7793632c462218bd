import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyDatabase, freshDatabase, freshRedis, type TestDatabase } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { freePort } from '../support/free-port.js';
import { RedisServer } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET, throughTwilio, UNREACHABLE_TWILIO } from '../support/settings.js';

interface Finding {
  readonly subject: string;
  readonly state: string;
  readonly text: string;
}

describe('latchkey doctor', () => {
  let database: TestDatabase;
  let folder: string;

  beforeAll(async () => {
    database = await freshDatabase();
    folder = mkdtempSync(join(tmpdir(), 'latchkey-doctor-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await database.drop();
  });

  async function doctor(variables: Record<string, string> = {}) {
    const given = { DATABASE_URL: database.url, SECRET, ...variables };
    const { code, output } = await ServerProcess.spawn('cli', given, ['doctor', '--json']).ended();
    const findings = output.startsWith('[') ? (JSON.parse(output) as Finding[]) : [];
    const faults = findings.filter(({ state }) => state === 'fault');
    return { code, output, findings, faults, warnings: findings.filter(({ state }) => state === 'warning') };
  }

  it('finds nothing wrong with a server that works, and changes nothing', async () => {
    const twilio = await FakeTwilio.start();
    const before = await database.query('select * from sessions');
    const { code, findings, faults } = await doctor({
      ...throughTwilio(twilio),
      REDIS_URL: await freshRedis(),
    });
    await twilio.stop();
    expect([code, faults]).toEqual([0, []]);
    expect(new Set(findings.map(({ subject }) => subject))).toEqual(
      new Set(['Postgres', 'Redis', 'start', 'clocks', 'images', 'provider twilio']),
    );
    expect(twilio.messages).toHaveLength(0);
    expect(await database.query('select * from sessions')).toEqual(before);
  });

  it.each<[string, Record<string, string>, string, string]>([
    [
      'Postgres that is away',
      { DATABASE_URL: 'postgres://a:geheim@127.0.0.1:1/x' },
      'Postgres',
      'cannot use DATABASE_URL',
    ],
    ['Redis that is away', { REDIS_URL: 'redis://:geheim@127.0.0.1:1' }, 'Redis', 'redis does not answer'],
    ['a provider that is away', UNREACHABLE_TWILIO, 'provider twilio', 'cannot be reached'],
    ['a file that is missing', { CLIENTS_FILE: '/nonexistent' }, 'start', 'CLIENTS_FILE'],
  ])('says what is wrong with %s, without secrets', async (_, variables, subject, text) => {
    const { code, output, faults } = await doctor(variables);
    expect(code).toBe(1);
    expect(faults).toEqual([{ subject, state: 'fault', text: expect.stringContaining(text) }]);
    expect(output).not.toContain('geheim');
  });

  it('finds a SECRET that belongs to another database', async () => {
    await doctor();
    const { code, faults } = await doctor({ SECRET: 'another secret that is long enough for this' });
    expect([code, faults.map(({ subject }) => subject)]).toEqual([1, ['start']]);
    expect(faults[0]?.text).toContain('SECRET_PREVIOUS');
  });

  it('finds pending migrations', async () => {
    const empty = await emptyDatabase();
    const { code, faults } = await doctor({ DATABASE_URL: empty.url });
    const [tables] = await empty.query(`select count(*)::int from pg_tables where schemaname = 'latchkey'`);
    await empty.drop();
    expect([code, faults[0]?.text]).toEqual([1, expect.stringContaining('npm run migrate')]);
    expect(tables).toEqual({ count: 0 });
  });

  it('warns of an eviction policy of Redis, and of a PUBLIC_URL that leads nowhere', async () => {
    const redis = await RedisServer.start('redis-server', { 'maxmemory-policy': 'allkeys-lru' });
    const { code, warnings } = await doctor({
      REDIS_URL: redis.url,
      PUBLIC_URL: `http://127.0.0.1:${await freePort()}`,
    });
    await redis.stop();
    expect(code).toBe(0);
    expect(warnings.map(({ subject, text }) => [subject, text])).toEqual([
      ['Redis', expect.stringContaining('set it to noeviction')],
      ['PUBLIC_URL', expect.stringContaining('cannot be reached (ECONNREFUSED)')],
    ]);
  });

  it('exits with 78 when a variable is not valid', async () => {
    const { code, output } = await doctor({ OTP_TTL: 'geheim' });
    expect(code).toBe(78);
    expect(output).toContain('OTP_TTL');
    expect(output).not.toContain('geheim');
  });

  it('prints one line for each finding', async () => {
    const file = join(folder, 'clients.json');
    writeFileSync(file, '{"clients": [{}]}');
    const given = { DATABASE_URL: database.url, SECRET, CLIENTS_FILE: file };
    const { code, output } = await ServerProcess.spawn('cli', given, ['doctor']).ended();
    expect(code).toBe(1);
    expect(output).toMatch(/^✓ Postgres {2}\S+ on 127\.0\.0\.1:\d+\n✗ start {5}.*clients\.0\.id must be/m);
    expect(output).toMatch(/\n\n1 fault, 0 warnings\n$/);
  });
});
