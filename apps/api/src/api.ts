import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { VerificationWatch } from '#auth';
import type { AppConfig } from '#config';
import { type Log, NestLog } from '#program';
import { ApiModule } from './api.module.js';
import { serveDocument } from './http/document.js';
import { prepareFastify, serverOptions } from './http/server.js';

/** The HTTP server, put together but not listening yet. */
export async function createApi(
  config: AppConfig,
  databaseUrl: string,
  log: Log,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ loggerInstance: log, ...serverOptions(config) });
  prepareFastify(adapter.getInstance());
  const api = await NestFactory.create<NestFastifyApplication>(
    ApiModule.forRoot(config, databaseUrl),
    adapter,
    {
      logger: new NestLog(log),
      abortOnError: false,
      bodyParser: false,
    },
  );
  adapter.getInstance().addHook('preClose', async () => api.get(VerificationWatch).close());
  serveDocument(api, config);
  return api;
}
