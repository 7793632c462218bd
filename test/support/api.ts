import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type AppConfig, readConfig } from '#config';
import { openLog } from '#program';
import { createApi } from '../../apps/api/src/api.js';
import { Client } from './client.js';
import { freshDatabase, freshRedis, type Mode, type TestDatabase } from './databases.js';
import { GENEROUS } from './generous.js';
import { waitFor } from './wait.js';

export const SECRET = 'a secret for tests that is long enough';

export interface RunningApi {
  readonly client: Client;
  readonly config: AppConfig;
  readonly database: TestDatabase;
  readonly nest: NestFastifyApplication;
  /** The newest code that was sent to the number, once it is there. */
  codeFor(phoneNumber: string): Promise<string>;
  stop(): Promise<void>;
}

let lastNumber = 0;

/** A valid phone number that no other test of this file uses. */
export function someNumber(): string {
  lastNumber += 1;
  return `+1415555${String(1_000 + lastNumber)}`;
}

/** The true server with its true modules, on a free port, with a database of its own. */
export async function startApi(
  mode: Mode,
  variables: Record<string, string> = {},
  overrides: Partial<AppConfig> = {},
): Promise<RunningApi> {
  const database = await freshDatabase();
  const config = {
    ...readConfig({
      NODE_ENV: 'test',
      PORT: '0',
      SECRET,
      DATABASE_URL: database.url,
      REDIS_URL: mode.redis ? await freshRedis() : undefined,
      LOG_LEVEL: 'silent',
      ...GENEROUS,
      ...variables,
    }),
    ...overrides,
  };
  const api = await listen(config, database);
  return {
    ...api,
    stop: async () => {
      await api.stop();
      await database.drop();
    },
  };
}

/** Another server with the same configuration on the same stores, as a second replica is, or a restarted one. */
export function startReplica({ config, database }: RunningApi): Promise<RunningApi> {
  return listen(config, database);
}

async function listen(config: AppConfig, database: TestDatabase): Promise<RunningApi> {
  const nest = await createApi(config, database.url, openLog(config.logLevel));
  await nest.listen(0, '127.0.0.1');
  const client = new Client(await nest.getUrl());
  return {
    client,
    config,
    database,
    nest,
    codeFor: (phoneNumber) =>
      waitFor(`a code for ${phoneNumber}`, async () => {
        const { body } = await client.get(`/dev/inbox/messages?to=${encodeURIComponent(phoneNumber)}`);
        return body[0]?.code;
      }),
    stop: () => nest.close(),
  };
}
