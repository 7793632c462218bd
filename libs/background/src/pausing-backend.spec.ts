import { createRedisBackend } from 'bullmq';
import { connectRedis, patientOptions } from '#redis';
import { freshRedis } from '../../../test/support/databases.js';
import { pausingAfterFailures } from './pausing-backend.js';

const BLOCK_SECONDS = 60;

/** Longer than the time that Jest gives a test. */
const PAUSE_MS = 120_000;

const describeOnRedis = process.env.TEST_REDIS_URL ? describe : describe.skip;

describeOnRedis('pausingAfterFailures', () => {
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
