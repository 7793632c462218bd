import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AppConfig } from '#config';
import { type Log, NestLog } from '#program';
import { ApiModule } from './api.module.js';
import { ConnectionCloser } from './http/connection-closer.js';
import { serveDocument } from './http/document.js';
import { warnOfUntrustedProxies } from './http/forwarding-warning.js';
import { RequestMetrics } from './http/request-metrics.js';
import { addressOf } from './http/requester.js';
import { prepareFastify, serverOptions } from './http/server.js';
import { CredentialFailures } from './operations/credential-failures.js';

/** Creates the HTTP server. It does not listen yet. */
export async function createApi(
  config: AppConfig,
  databaseUrl: string,
  log: Log,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ loggerInstance: log, ...serverOptions(config) });
  const fastify = adapter.getInstance();
  prepareFastify(fastify, config);
  warnOfUntrustedProxies(fastify);
  const api = await NestFactory.create<NestFastifyApplication>(
    ApiModule.forRoot(config, databaseUrl),
    adapter,
    {
      logger: new NestLog(log),
      abortOnError: false,
      bodyParser: false,
    },
  );
  const connections = api.get(ConnectionCloser);
  const metrics = api.get(RequestMetrics);
  const credentialFailures = api.get(CredentialFailures);
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    connections.prepare(reply);
    if (request.wrongCredential) credentialFailures.record(request.wrongCredential, addressOf(request));
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    metrics.record(request, reply);
    done();
  });
  if (config.docs) serveDocument(api, config);
  return api;
}

/**
 * Stops the server after the delay. Until then it is not ready, closes connections after their next answer, and
 * answers everything else, on new connections too, so that load balancers lose no request.
 */
export async function stopApi(api: NestFastifyApplication, delayMs: number): Promise<void> {
  api.get(ConnectionCloser).start();
  await sleep(delayMs);
  await api.close();
}
