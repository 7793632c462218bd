import cluster from 'node:cluster';
import { Registry } from 'prom-client';
import { serveMetrics } from '#metrics';
import type { ProgramContext, RunningServer } from '#program';
import { createApi, stopApi } from './api.js';
import { announce } from './banner.js';

/** Connections that the operating system establishes before Node accepts them. Linux allows 4,096 by default. */
const BACKLOG = 4_096;

/** Starts the API, and the server of its metrics unless another process serves those. */
export async function serve({ config, databaseUrl, log }: ProgramContext): Promise<RunningServer> {
  const api = await createApi(config, databaseUrl, log);
  try {
    await api.listen({ port: config.port, host: config.host, backlog: BACKLOG });
    const registry = api.get(Registry);
    const metrics = cluster.isWorker ? null : await serveMetrics(() => registry.metrics(), config);
    announce({ url: await api.getUrl(), metricsUrl: metrics?.url ?? null }, config, log);
    return {
      close: async () => {
        await stopApi(api, config.shutdownDelayMs);
        metrics?.close();
      },
    };
  } catch (error) {
    await api.close();
    throw error;
  }
}
