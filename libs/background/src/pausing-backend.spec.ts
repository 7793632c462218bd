import { createRedisBackend } from 'bullmq';
import { connectRedis, patientOptions } from '#redis';
import { freshRedis } from '../../../test/support/databases.js';
import { pausingAfterFailures } from './pausing-backend.js';

const BLOCK_SECONDS = 60;

/** Longer than the time that Jest gives a test. */
const PAUSE_MS = 120_000;

const describeOnRedis = process.env.TEST_REDIS_URL ? describe : describe.skip;

describeOnRedis('pausingAfterFailures', () => {
  it('ends the pause of a worker that is stopped', async () => {
    const connection = connectRedis(await freshRedis(), patientOptions);
    const redis = createRedisBackend('tasks', { connection }, { withBlockingConnection: true });
    const failing = jest.spyOn(redis, 'moveToActive').mockRejectedValue(new Error('no right'));
    const backend = pausingAfterFailures(redis, PAUSE_MS);
    await backend.waitUntilReady();
    const taken = backend.moveToActive('token').catch((error: Error) => error);
    await expect(failing.mock.results[0]?.value).rejects.toThrow('no right');
    await backend.disconnectBlocking();
    expect(await taken).toEqual(new Error('no right'));
    await backend.close(true);
    connection.disconnect();
  });

  it('does not pause a worker that is stopped while it waits for a task', async () => {
    const connection = connectRedis(await freshRedis(), patientOptions);
    const redis = createRedisBackend('tasks', { connection }, { withBlockingConnection: true });
    const backend = pausingAfterFailures(redis, PAUSE_MS);
    await backend.waitUntilReady();
    const waiting = backend.waitForJob(BLOCK_SECONDS).catch((error: Error) => error);
    await backend.disconnectBlocking();
    expect(await waiting).toBeInstanceOf(Error);
    await backend.close(true);
    connection.disconnect();
  });
});
