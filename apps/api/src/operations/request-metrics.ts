import type { FastifyInstance, RawServerDefault } from 'fastify';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** What this process measures of itself. */
export const metrics = new Registry();
collectDefaultMetrics({ register: metrics });

const requestDuration = new Histogram({
  name: 'latchkey_http_request_duration_seconds',
  help: 'How long requests took, by route and status',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10],
  registers: [metrics],
});

/** Routes are counted by their pattern: an address may hold an id, and addresses are without number. */
export function countRequests(fastify: FastifyInstance<RawServerDefault>): void {
  fastify.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
    };
    requestDuration.observe(labels, reply.elapsedTime / 1_000);
    request.log.info({ ...labels, ms: Math.round(reply.elapsedTime) }, 'request');
  });
}
