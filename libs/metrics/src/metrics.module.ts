import { Global, Module } from '@nestjs/common';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { shareMetrics } from './shared-metrics.js';

/** Provides the one Prometheus registry of an application, so that two applications in one process share no counters. */
@Global()
@Module({
  providers: [{ provide: Registry, useFactory: createRegistry }],
  exports: [Registry],
})
export class MetricsModule {}

function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  shareMetrics(registry);
  return registry;
}
