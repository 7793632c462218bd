import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Histogram, Registry } from 'prom-client';
import type { LogMembers } from '#logging';
import { patternOf } from './allowed-methods.js';

/** Routes that are requested every few seconds for as long as the server runs. Only their failures are logged. */
const POLLED_ROUTES = ['/health/live', '/health/ready', '/metrics', '/dev/inbox/messages'];

/** Measures and logs requests. */
@Injectable()
export class RequestMetrics {
  private readonly duration: Histogram<'method' | 'route' | 'status'>;

  constructor(registry: Registry) {
    this.duration = new Histogram({
      name: 'latchkey_http_request_duration_seconds',
      help: 'Duration of requests by route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10],
      registers: [registry],
    });
  }

  /** The label is the pattern of the route. A URL may contain an id, and the number of URLs is not limited. */
  record(request: FastifyRequest, reply: FastifyReply): void {
    const { method } = request;
    const route = patternOf(request) ?? 'none';
    const status = reply.statusCode;
    this.duration.observe({ method, route, status }, reply.elapsedTime / 1_000);
    const subject = closeLogContext(request);
    if (POLLED_ROUTES.includes(route) && status < 400) return;
    request.log.info({ method, route, status, ms: Math.round(reply.elapsedTime), ...subject }, 'request');
  }
}

/** Returns what the request was about: `verification` and `number_hash`. Fastify itself adds `reqId`. */
function closeLogContext({ logContext }: FastifyRequest): LogMembers {
  if (!logContext) return {};
  const { reqId: _, ...subject } = logContext.members;
  logContext.hasEnded = true;
  return subject;
}
