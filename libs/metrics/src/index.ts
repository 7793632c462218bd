export { MetricsModule } from './metrics.module.js';
export { type MetricsServer, serveMetrics } from './metrics-server.js';
export { metricsOfWorkers } from './shared-metrics.js';
