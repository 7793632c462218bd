import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../../test/support/databases.js';
import type { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { DEFAULT_POLICY } from '../policy.js';
import { SharedState } from '../state/shared-state.js';
import { StateStore } from '../state/state-store.postgres.js';
import { DeviceTokens } from './device-tokens.js';
import { KnownDevicesService } from './known-devices.service.js';

const NUMBER = '+14155550123' as PhoneNumber;
const NOW = Date.UTC(2026, 0, 5);

describe('KnownDevicesService', () => {
  let database: TestDatabase;
  let source: DataSource;
  let state: SharedState;
  let devices: KnownDevicesService;

  beforeAll(async () => {
    database = await freshDatabase();
    source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    state = new SharedState(new StateStore(new Database(source)));
    const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
    const clock = Object.assign(new Clock(), { now: () => NOW });
    const options = { policy: DEFAULT_POLICY } as AbuseOptions;
    devices = new KnownDevicesService(state, new DeviceTokens(keys), keys, clock, options);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const isKnown = async (deviceToken: string) => {
    const { keys, device } = devices.findRequesting(NUMBER, { deviceToken });
    return (await state.decide(keys, device)) !== null;
  };

  it('revokes the tokens from before, but not one that is issued in the same millisecond as their revocation', async () => {
    const before = devices.issueToken(NUMBER, null, null);
    expect(await isKnown(before)).toBe(true);
    const since = await devices.forgetAll(NUMBER);
    const after = devices.issueToken(NUMBER, null, since);
    expect([await isKnown(before), await isKnown(after)]).toEqual([false, true]);
  });
});
