import { Logger } from '@nestjs/common';
import { Unavailable } from '#errors';
import { openBreakableRedis } from '../../../test/support/breakable-stores.js';
import { times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { RedisHealth } from './redis-health.js';

Logger.overrideLogger(false);

(process.env.TEST_REDIS_URL ? describe : describe.skip)('RedisHealth.requireWrites', () => {
  let server: Awaited<ReturnType<typeof openBreakableRedis>>;
  let health: RedisHealth;
  let pings: jest.SpyInstance;

  beforeEach(async () => {
    server = await openBreakableRedis();
    health = new RedisHealth(server.redis, { url: server.wire.url });
    pings = jest.spyOn(health, 'ping');
  });
  afterEach(() => server.close());
  afterEach(() => jest.restoreAllMocks());

  it('asks once for requests at the same time, and again after 100 ms', async () => {
    const now = jest.spyOn(performance, 'now').mockReturnValue(1_000);
    await Promise.all(times(20, () => health.requireWrites()));
    now.mockReturnValue(1_099);
    await health.requireWrites();
    expect(pings).toHaveBeenCalledTimes(1);
    now.mockReturnValue(1_100);
    await health.requireWrites();
    expect(pings).toHaveBeenCalledTimes(2);
  });

  it('does not rely on a connection that is lost, nor on a failure', async () => {
    jest.spyOn(performance, 'now').mockReturnValue(1_000);
    await health.requireWrites();
    server.wire.cut();
    await waitFor('the loss', () => server.redis.status !== 'ready');
    await expect(health.requireWrites()).rejects.toThrow(Unavailable);
    server.wire.heal();
    await waitFor('the connection', () => server.redis.status === 'ready');
    await health.requireWrites();
    expect(pings).toHaveBeenCalledTimes(3);
  });
});
