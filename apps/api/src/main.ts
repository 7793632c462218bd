import { Registry } from 'prom-client';
import { serveMetrics } from '#metrics';
import { runServer } from '#program';
import { createApi, stopApi } from './api.js';
import { announce } from './banner.js';

/** Connections that the operating system establishes before Node accepts them. Linux allows 4,096 by default. */
const BACKLOG = 4_096;

await runServer(async ({ config, databaseUrl, log }) => {
  const api = await createApi(config, databaseUrl, log);
  try {
    await api.listen({ port: config.port, host: config.host, backlog: BACKLOG });
    const metrics = await serveMetrics(api.get(Registry), config);
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
});
