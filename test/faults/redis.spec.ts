import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { connectRedis, findServerFault, quickOptions, REQUIRED_COMMANDS } from '#redis';
import { busyness } from '../support/busyness.js';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { freePort } from '../support/free-port.js';
import { someNumber } from '../support/phone-numbers.js';
import { TcpProxy } from '../support/proxy.js';
import { RedisServer } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET, throughTwilio, UNREACHABLE_TWILIO, USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { printNumbers } from '../support/statistics.js';
import { findProgram } from '../support/system-programs.js';
import { codeIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const program = findProgram(['redis-server', 'valkey-server'], 'faults of Redis');

const DRAIN_MS = 2_000;
const STOPPED_WITHIN_MS = DRAIN_MS + 2_000;
const HEALED_WITHIN_MS = 5_000;
const ADMIN = 'admin';
const TICKS_PER_SECOND = 100;

/** The rights that the documentation gives to the user of Latchkey. */
const DOCUMENTED_ACL = /^ACL SETUSER latchkey on >PASSWORD (.+)$/m.exec(
  readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8'),
)?.[1] as string;

(program ? describe : describe.skip)('Redis', () => {
  const servers: RedisServer[] = [];
  const admins: Redis[] = [];
  const processes: ServerProcess[] = [];
  let database: TestDatabase;

  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(async () => {
    await Promise.all(processes.map((server) => server.end('SIGKILL')));
    for (const admin of admins) admin.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
    await database.drop();
  });

  /** Starts a Redis whose user `latchkey` has the documented rights. */
  async function startRedis(
    settings: Record<string, string | number> = {},
  ): Promise<{ url: string; admin: Redis }> {
    // A password keeps out servers of other specs that look for a Redis which had this port before.
    const server = await RedisServer.start(program as string, {
      requirepass: ADMIN,
      masterauth: ADMIN,
      ...settings,
    });
    servers.push(server);
    const admin = connectRedis(server.url, quickOptions);
    admins.push(admin);
    await waitFor('the connection', () => admin.status === 'ready');
    await grant(admin, DOCUMENTED_ACL);
    return { url: server.url.replace(/\/\/.*@/, '//'), admin };
  }

  function grant(admin: Redis, rights: string): Promise<unknown> {
    return admin.call('ACL', 'SETUSER', 'latchkey', 'reset', 'on', '>pw', ...rights.split(' '));
  }

  function as(credentials: string, url: string): string {
    return url.replace('redis://', `redis://${credentials}@`);
  }

  function spawn(app: 'api' | 'worker', variables: Record<string, string>): ServerProcess {
    const own = { DATABASE_URL: database.url, SECRET, DRAIN_TIMEOUT: `${DRAIN_MS}ms` };
    const common = { ...own, ...USUAL_DATABASE_TIMEOUT };
    const server = ServerProcess.spawn(app, { ...common, ...variables });
    processes.push(server);
    return server;
  }

  /** Sends SIGTERM, and expects exit code 0 in time. */
  async function expectEnd(server: ServerProcess): Promise<void> {
    const startedAt = Date.now();
    const { code, output } = await server.end('SIGTERM');
    if (code !== 0) console.log(output);
    expect(code).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(STOPPED_WITHIN_MS * busyness());
  }

  describe('at the start', () => {
    let redis: { url: string; admin: Redis };
    beforeAll(async () => {
      redis = await startRedis();
    });

    it.each([
      ['a wrong password', () => as(':wrong-secret', redis.url), /^Redis rejects .* \(WRONGPASS\)$/],
      ['an unknown user', () => as('someone:wrong-secret', redis.url), /^Redis rejects .* \(WRONGPASS\)$/],
      ['no password', () => redis.url, /^Redis requires a password: .* \(NOAUTH\)$/],
      [
        'a database that does not exist',
        () => `${as('latchkey:pw', redis.url)}/99`,
        /^Redis has no database/,
      ],
    ])('names %s as a fault, without the password', async (_name, url, expected) => {
      const fault = await findServerFault(url());
      expect(fault).toMatch(expected);
      expect(fault).not.toContain('secret');
    });

    it.each([
      ['-bzpopmin -hset', 'may not run HSET, BZPOPMIN;'],
      ['-evalsha', 'may not run EVALSHA;'],
      ['-multi', 'may not run MULTI;'],
      ['-ping', 'may not run PING;'],
      ['resetkeys ~other:*', 'may not use keys that begin with latchkey:;'],
    ])('names the right that is missing with %s', async (change, expected) => {
      await grant(redis.admin, `${DOCUMENTED_ACL} ${change}`);
      expect(await findServerFault(as('latchkey:pw', redis.url))).toContain(expected);
      await grant(redis.admin, DOCUMENTED_ACL);
    });

    it.each([
      ['the documented rights', DOCUMENTED_ACL],
      ['everything but dangerous and administrative commands', '~latchkey* &* +@all -@dangerous -@admin'],
    ])('finds no fault with %s', async (_name, rights) => {
      await grant(redis.admin, rights);
      expect(await findServerFault(as('latchkey:pw', redis.url))).toBeNull();
      expect(await redis.admin.dbsize()).toBe(0);
    });

    it('finds no fault with a Redis that is unreachable, hung or full', async () => {
      const hole = await TcpProxy.before(redis.url);
      hole.blackHole();
      expect(await findServerFault('redis://127.0.0.1:1')).toBeNull();
      expect(await findServerFault(hole.url)).toBeNull();
      await hole.close();
      await redis.admin.config('SET', 'maxmemory', '1');
      expect(await findServerFault(as('latchkey:pw', redis.url))).toBeNull();
      await redis.admin.config('SET', 'maxmemory', '0');
    });

    it('refuses a Redis Cluster', async () => {
      const cluster = await startRedis({ 'cluster-enabled': 'yes', 'cluster-port': await freePort() });
      expect(await findServerFault(as('latchkey:pw', cluster.url))).toMatch(
        /Redis Cluster.*does not support/,
      );
    });

    it('ends the process with 1 and one line', async () => {
      const { code, output } = await spawn('worker', {
        REDIS_URL: as(':wrong-secret', redis.url),
        ...UNREACHABLE_TWILIO,
      }).ended();
      expect(code).toBe(1);
      expect(output).toMatch(/^Latchkey failed: cannot use REDIS_URL: Redis rejects .*\n$/);
    });

    it('ends the process on SIGTERM although Postgres and Redis hang', async () => {
      const [postgres, hung] = [await TcpProxy.before(database.url), await TcpProxy.before(redis.url)];
      postgres.blackHole();
      hung.blackHole();
      const api = spawn('api', { DATABASE_URL: postgres.url, REDIS_URL: hung.url });
      await waitFor('the connection to Postgres', () => postgres.connections > 0, 30_000);
      await expectEnd(api);
      await Promise.all([postgres.close(), hung.close()]);
    });
  });

  describe('while an API and a worker run', () => {
    let first: { url: string; admin: Redis };
    let second: { url: string; admin: Redis };
    let redisProxy: TcpProxy;
    let postgresProxy: TcpProxy;
    let twilio: FakeTwilio;
    let api: ServerProcess;
    let worker: ServerProcess;

    beforeAll(async () => {
      twilio = await FakeTwilio.start();
      [first, second] = await Promise.all([startRedis(), startRedis()]);
      redisProxy = await TcpProxy.before(first.url);
      postgresProxy = await TcpProxy.before(database.url);
      const variables = {
        ...throughTwilio(twilio),
        REDIS_URL: as('latchkey:pw', redisProxy.url),
        DATABASE_URL: postgresProxy.url,
        LOG_LEVEL: 'info',
        LIMIT_COOL_DOWN: '1s',
      };
      api = spawn('api', { ...variables, BACKGROUND: 'off' });
      worker = spawn('worker', variables);
      await waitFor('the API', () => api.output.includes('Latchkey is up'), 60_000);
      await waitFor('the worker', () => worker.output.includes('the worker waits'), 60_000);
    });
    afterAll(async () => {
      await Promise.all([api, worker].map((server) => server.end('SIGKILL')));
      await Promise.all([redisProxy.close(), postgresProxy.close(), twilio.stop()]);
    });

    /**
     * Signs in. Returns what was not as expected, or null.
     *
     * @param withinMs the wait for the code. After a loss a worker pauses for a moment.
     */
    async function faultOfSignIn(withinMs = 15_000): Promise<string | null> {
      const phone_number = someNumber();
      const opened = await api.client.post('/v1/verifications', { phone_number });
      if (opened.status !== 202) return `open: ${opened.status}`;
      const newest = () => codeIn(twilio.messagesTo(phone_number)[0]);
      const code = await waitFor('the code', newest, withinMs).catch(() => null);
      if (code === null) return 'no code';
      const { status } = await api.client.post(`/v1/verifications/${opened.body.id}/check`, { code });
      return status === 200 ? null : `check: ${status}`;
    }

    const policyStates = () => database.query('select key, state from abuse_states order by key');

    async function expectHealing(since: number): Promise<void> {
      const faults: string[] = [];
      await waitFor('a sign-in', async () => {
        const fault = await faultOfSignIn(3_000);
        if (fault) faults.push(fault);
        return fault === null;
      });
      const healedAfterMs = Date.now() - since;
      printNumbers('Redis, fail-over', { healedAfterMs, faults });
      expect(faults.filter((fault) => fault.endsWith('500'))).toEqual([]);
      expect(healedAfterMs).toBeLessThan(HEALED_WITHIN_MS * busyness());
    }

    const readiness = async () => (await api.client.get('/health/ready')).status;
    const untilReadinessIs = (status: number) =>
      waitFor(`readiness ${status}`, async () => (await readiness()) === status, HEALED_WITHIN_MS);

    it('signs in with the documented rights, and asks for no other', async () => {
      expect(await faultOfSignIn()).toBeNull();
      expect(await first.admin.call('ACL', 'LOG')).toEqual([]);
      expect(await readiness()).toBe(200);
    });

    it('runs no command that the start does not check', async () => {
      const used = [...(await first.admin.info('commandstats')).matchAll(/^cmdstat_(\w+):/gm)].map(
        ([, name]) => name,
      );
      const ofConnections = [
        'acl',
        'auth',
        'client',
        'config',
        'discard',
        'exec',
        'hello',
        'info',
        'multi',
        'ping',
        'quit',
      ];
      const checked = new Set([
        ...ofConnections,
        ...REQUIRED_COMMANDS.map((c) => c.split(' ')[0]?.toLowerCase()),
      ]);
      expect(used.filter((name) => !checked.has(name))).toEqual([]);
    });

    it('is not ready while Redis is full, and warns before', async () => {
      const { body: opened } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
      const used = Number(/used_memory:(\d+)/.exec(await first.admin.info('memory'))?.[1]);
      await first.admin.config('SET', 'maxmemory', String(Math.round(used / 0.9)));
      await waitFor('the warning', () => /MiB \(maxmemory\): a full Redis/.test(worker.output), 15_000);
      await first.admin.config('SET', 'maxmemory', '1');
      await untilReadinessIs(503);
      const before = await policyStates();
      expect(await faultOfSignIn()).toBe('open: 503');
      expect((await api.client.post(`/v1/verifications/${opened.id}/resend`)).status).toBe(503);
      expect(await policyStates()).toEqual(before);
      await first.admin.config('SET', 'maxmemory', '0');
      await untilReadinessIs(200);
      expect(await faultOfSignIn()).toBeNull();
    });

    it('neither fails with 500 nor spins while a right is missing, and recovers', async () => {
      await grant(first.admin, `${DOCUMENTED_ACL} -evalsha -bzpopmin`);
      await untilReadinessIs(503);
      const before = await policyStates();
      expect(await faultOfSignIn()).toBe('open: 503');
      expect(await policyStates()).toEqual(before);
      expect(await cpuShareOf(worker)).toBeLessThan(0.2);
      await grant(first.admin, DOCUMENTED_ACL);
      await expectHealing(Date.now());
    });

    it('accepts a message although the queue refuses its task, and sends it once when it no longer does', async () => {
      await grant(first.admin, DOCUMENTED_ACL.replace('~latchkey:*', '~latchkey:[^q]*'));
      const phone_number = someNumber();
      expect((await api.client.post('/v1/verifications', { phone_number })).status).toBe(202);
      await grant(first.admin, DOCUMENTED_ACL);
      await waitFor('the message', () => twilio.messagesTo(phone_number).length > 0);
      await expectHealing(Date.now());
      expect(twilio.messagesTo(phone_number)).toHaveLength(1);
    });

    it('follows the address to the new master when the old one becomes a replica', async () => {
      await first.admin.replicaof('127.0.0.1', new URL(second.url).port);
      const since = Date.now();
      expect(await faultOfSignIn()).toBe('open: 503');
      redisProxy.moveTo(second.url);
      await expectHealing(since);
    });

    it('follows the address when the host of the old master is gone without a word', async () => {
      await first.admin.replicaof('NO', 'ONE');
      redisProxy.strand();
      redisProxy.moveTo(first.url);
      await expectHealing(Date.now());
    });

    it('ends in time on SIGTERM although Redis and Postgres hang', async () => {
      redisProxy.blackHole();
      postgresProxy.blackHole();
      await Promise.all([expectEnd(api), expectEnd(worker)]);
    });
  });
});

/** Returns the share of one core that a process uses within a second. */
async function cpuShareOf({ pid }: ServerProcess): Promise<number> {
  const ticks = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    return Number(fields[13]) + Number(fields[14]);
  };
  const before = ticks();
  await sleep(1_000);
  return (ticks() - before) / TICKS_PER_SECOND;
}
