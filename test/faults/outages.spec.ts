import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { TaskQueue } from '#background';
import { DeliveryService } from '#delivery';
import { startApiOn } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { freshDatabase, freshRedis, type Mode, modes, type TestDatabase } from '../support/databases.js';
import { whileLocked } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { TcpProxy } from '../support/proxy.js';
import { inboxMessages, openVerification, type SignInServer, signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const TEST_NUMBER = '+15005550006';

describe.each(modes)('A server on $name', (mode) => {
  let api: BreakableApi;
  let token: string;

  beforeAll(async () => {
    api = await startBreakable(mode);
    token = await signIn(api);
  });
  afterAll(() => api.stop());
  afterEach(() => {
    for (const proxy of Object.values(api.proxies)) proxy.heal();
    jest.restoreAllMocks();
  });

  /** Expects a 503 that came in time and asks the client to retry. */
  async function expectUnavailable(answer: Promise<Answer>): Promise<void> {
    const startedAt = Date.now();
    const { status, headers, body } = await answer;
    expect([status, body.code]).toEqual([503, 'unavailable']);
    expect(headers.get('retry-after')).toBe('2');
    expect(body.detail).toBe('a dependency of this server does not respond; try again shortly');
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  }

  const dependencies = mode.redis ? ['postgres', 'redis'] : ['postgres'];

  it('reports each dependency as up by name', async () => {
    const { status, body } = await api.client.get('/health/ready');
    expect(status).toBe(200);
    expect(Object.keys(body.dependencies).toSorted()).toEqual([...dependencies, 'queue'].toSorted());
    for (const dependency of Object.values(body.dependencies))
      expect(dependency).toMatchObject({ status: 'up' });
  });

  it('keeps a code valid when Postgres is too slow for the sign-in', async () => {
    const { path, code } = await openVerification(api);
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const otp = await api.codeFor(phone_number);
    await whileLocked(api.database, 'tokens', async () => {
      await expectUnavailable(api.client.post(`${path}/check`, { code }));
      await expectUnavailable(api.client.post('/signup', { phone_number, otp }));
    });
    expect((await api.client.post(`${path}/check`, { code })).body).toMatchObject({ is_new_user: true });
    expect((await api.client.post('/signup', { phone_number, otp })).status).toBe(200);
  });

  it('answers 503 to a bearer, not 401, when Postgres is too slow', async () => {
    await whileLocked(api.database, 'tokens', () =>
      expectUnavailable(api.client.as(token).get('/protected')),
    );
    expect((await api.client.as(token).get('/protected')).status).toBe(200);
  });

  // On Postgres the statement that stores a verification also adds the task.
  if (mode.redis) {
    it('accepts messages while the queue does not answer, and sends each once, also when it answers after all', async () => {
      const queue = api.nest.get(TaskQueue);
      const add = queue.add.bind(queue);
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const late: Promise<void>[] = [];
      const spy = jest.spyOn(queue, 'add').mockImplementation((task) => {
        late.push(released.then(() => add(task)));
        return late.at(-1) as Promise<void>;
      });
      const numbers = [someNumber(), someNumber()];
      const [opened, signedUp] = await Promise.all([
        api.client.post('/v1/verifications', { phone_number: numbers[0] }),
        api.client.post('/signup', { phone_number: numbers[1] }),
      ]);
      expect([opened.status, signedUp.status]).toEqual([202, 200]);
      expect(late).toHaveLength(2);
      spy.mockRestore();

      const messages = () => Promise.all(numbers.map((number) => inboxMessages(api.client, number)));
      await waitFor('the messages', async () => (await messages()).every((sent) => sent.length > 0));
      release();
      await Promise.all(late);
      await waitFor('the end of the late tasks', async () => (await queue.ids()).length === 0);
      expect((await messages()).map((sent) => sent.length)).toEqual([1, 1]);
    });

    it('starts the message of each request and of a resend', async () => {
      const starts = jest.spyOn(api.nest.get(DeliveryService), 'start');
      const { body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
      await waitFor('the end of the cool-down', async () => {
        return (await api.client.post(`/v1/verifications/${body.id}/resend`)).status === 202;
      });
      expect(starts.mock.calls.map(([{ id, messageCount }]) => [id, messageCount])).toEqual([
        [body.id, 1],
        [body.id, 2],
      ]);
    });
  }

  const faults = dependencies.flatMap((name) => [
    { name, fault: 'cut' as const },
    { name, fault: 'blackHole' as const },
  ]);

  describe.each(faults)('while $name is down ($fault)', ({ name, fault }) => {
    const proxy = () => api.proxies[name] as TcpProxy;
    const isStore = name === (mode.redis ? 'redis' : 'postgres');

    async function untilReady(): Promise<void> {
      await waitFor('readiness', async () => (await api.client.get('/health/ready')).status === 200);
    }

    it('reports the outage and the recovery without a restart', async () => {
      proxy()[fault]();
      const down = await waitFor('the failed readiness check', async () => {
        const answer = await api.client.get('/health/ready');
        return answer.status === 503 && answer;
      });
      const others = dependencies.filter((other) => other !== name);
      expect(down.headers.get('retry-after')).toBe('2');
      expect(down.body.code).toBe('unavailable');
      expect(down.body.dependencies).toEqual({
        [name]: expect.objectContaining({ status: 'down' }),
        ...Object.fromEntries(others.map((other) => [other, expect.objectContaining({ status: 'up' })])),
        queue: expect.objectContaining({ status: isStore ? 'down' : 'up' }),
      });
      expect(JSON.stringify(down.body.dependencies)).not.toMatch(/127\.0\.0\.1|ECONN/);
      expect((await api.client.get('/health/live')).status).toBe(200);
      proxy().heal();
      await untilReady();
    });

    if (isStore)
      it('counts and charges no request that it could not accept', async () => {
        const { path } = await openVerification(api);
        const [opened, signedUp] = [someNumber(), someNumber()];
        const ask = async () => [
          await api.client.post('/v1/verifications', { phone_number: opened }),
          await api.client.post('/signup', { phone_number: signedUp }),
          await api.client.post('/v1/verifications', { phone_number: TEST_NUMBER }),
        ];
        const policy = () =>
          api.database.query<{ key: string; state: string }>(
            'select key, state from abuse_states order by key',
          );
        await waitFor('the end of the cool-down', async () => {
          return (await api.client.post(`${path}/resend`)).status === 202;
        });
        const before = await policy();
        proxy()[fault]();
        await waitFor('the failed readiness check', async () => {
          return (await api.client.get('/health/ready')).status === 503;
        });
        for (const answer of [...(await ask()), await api.client.post(`${path}/resend`)])
          expect([answer.status, answer.body.code]).toEqual([503, 'unavailable']);
        expect(await policy()).toEqual(before);
        proxy().heal();
        await untilReady();
        expect((await ask()).map(({ status }) => status)).toEqual([202, 200, 202]);
      });

    it('answers 503 in time, and finishes the sign-in after the recovery', async () => {
      const { path, code } = await openVerification(api);
      proxy()[fault]();
      await expectUnavailable(api.client.post(`${path}/check`, { code }));
      if (isStore) {
        await expectUnavailable(api.client.get(path));
        await expectUnavailable(api.client.post('/v1/verifications', { phone_number: someNumber() }));
        await expectUnavailable(api.client.post('/signup', { phone_number: someNumber() }));
        await expectUnavailable(api.client.post('/signup', { phone_number: someNumber(), otp: '123456' }));
      }
      if (name === 'postgres') await expectUnavailable(api.client.as(token).get('/protected'));
      else expect((await api.client.as(token).get('/protected')).status).toBe(200);

      proxy().heal();
      await untilReady();
      expect((await api.client.as(token).get('/protected')).status).toBe(200);
      expect((await api.client.post(`${path}/check`, { code })).status).toBe(200);
      await signIn(api);
    });
  });
});

interface BreakableApi extends SignInServer {
  readonly nest: NestFastifyApplication;
  readonly database: TestDatabase;
  /** The proxies in front of the dependencies, by name. */
  readonly proxies: Readonly<Record<string, TcpProxy>>;
  stop(): Promise<void>;
}

async function startBreakable(mode: Mode): Promise<BreakableApi> {
  const database = await freshDatabase();
  const postgres = await TcpProxy.before(database.url);
  const redis = mode.redis ? await TcpProxy.before(await freshRedis()) : null;
  const { nest, client, codeFor } = await startApiOn({
    DATABASE_URL: postgres.url,
    REDIS_URL: redis?.url,
    LIMIT_COOL_DOWN: '1s',
    BREAKER_MODE: 'monitor',
    TEST_PHONE_NUMBERS: `${TEST_NUMBER}=246813`,
  });
  const proxies = { postgres, ...(redis && { redis }) };
  return {
    nest,
    database,
    client,
    codeFor,
    proxies,
    stop: async () => {
      await nest.close();
      for (const proxy of Object.values(proxies)) await proxy.close();
      await database.drop();
    },
  };
}
