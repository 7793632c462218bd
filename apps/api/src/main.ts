import { metricsOfWorkers, serveMetrics } from '#metrics';
import { runWorkers } from '#program';

// Loaded where the API runs only: the process that supervises several others needs little memory.
await runWorkers(
  async (context) => {
    const { serve } = await import('./serve.js');
    return serve(context);
  },
  async (config, log) => {
    const metrics = await serveMetrics(metricsOfWorkers(), config);
    if (metrics) log.info(`metrics at ${metrics.url}`);
    return { close: async () => metrics?.close() };
  },
);
