import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type AppConfig, readConfig } from '#config';
import { type Log, openLog } from '#program';
import { createApi } from '../../apps/api/src/api.js';
import { Client } from './client.js';
import { freshDatabase, freshRedis, type Mode, type TestDatabase } from './databases.js';
import { GENEROUS, SECRET } from './settings.js';
import { newestCode } from './verifications.js';

export interface RunningApi {
  readonly client: Client;
  readonly config: AppConfig;
  readonly database: TestDatabase;
  readonly nest: NestFastifyApplication;
  /** Waits for a code in the inbox and returns the newest one. */
  codeFor(phoneNumber: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the real server in this process, on a free port, with a database of its own. */
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

/**
 * Starts another server with the same configuration on the same stores, as a second replica or after a restart. It sends no
 * messages: an inbox holds only what its own process sent, and specs read the first server's.
 */
export function startReplica({ config, database }: RunningApi): Promise<RunningApi> {
  return listen({ ...config, background: false }, database);
}

/** Starts a server with these variables, on stores that the spec opened, and with a log that the spec can read. */
export async function startApiOn(
  variables: Record<string, string | undefined> & { DATABASE_URL: string },
  log?: Log,
): Promise<Omit<RunningApi, 'config' | 'database' | 'stop'>> {
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', SECRET, ...variables });
  return serve(config, variables.DATABASE_URL, log ?? (await openLog('silent')));
}

async function listen(config: AppConfig, database: TestDatabase): Promise<RunningApi> {
  const api = await serve(config, database.url, await openLog(config.logLevel));
  return { ...api, config, database, stop: () => api.nest.close() };
}

async function serve(config: AppConfig, databaseUrl: string, log: Log) {
  const nest: NestFastifyApplication = await createApi(config, databaseUrl, log);
  await nest.listen(0, '127.0.0.1');
  const client = new Client(await nest.getUrl());
  return { client, nest, codeFor: (phoneNumber: string) => newestCode(client, phoneNumber) };
}
