import cluster from 'node:cluster';
import { AggregatorRegistry, type Registry } from 'prom-client';

// Answers the supervising process, also before this process has any metrics.
if (cluster.isWorker) new AggregatorRegistry();

/** Lets the supervising process read this registry, if there is one. */
export function shareMetrics(registry: Registry): void {
  AggregatorRegistry.setRegistries(registry);
}

/**
 * Returns a function for the supervising process that reads the metrics of all others: sums of counters, and what their
 * `aggregator` says of gauges. It rejects if a process does not answer within five seconds.
 */
export function metricsOfWorkers(): () => Promise<string> {
  const registry = new AggregatorRegistry();
  return () => registry.clusterMetrics();
}
