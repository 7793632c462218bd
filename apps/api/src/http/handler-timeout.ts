import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ProblemFilter } from './problem.filter.js';

/** Longer than any wait of a handler: each store and each long poll has a time limit of its own. */
const LIMIT_MS = 30_000;

const CHECK_EVERY_MS = 1_000;

/**
 * Answers 503 for a handler that hangs. One timer serves all requests: Fastify's `handlerTimeout` creates a timer and an
 * AbortController for each, which takes a tenth of the CPU time of a request for a code.
 */
export class HandlerTimeout {
  /** In the order in which they arrived. */
  private readonly running = new Map<FastifyReply, { request: FastifyRequest; since: number }>();

  constructor(private readonly filter: ProblemFilter) {}

  register(fastify: FastifyInstance<RawServerDefault>): void {
    fastify.addHook('onRequest', (request, reply, done) => {
      this.running.set(reply, { request, since: performance.now() });
      done();
    });
    // Not called if the client has gone: then the check removes the request.
    fastify.addHook('onResponse', (_request, reply, done) => {
      this.running.delete(reply);
      done();
    });
    const timer = setInterval(() => this.check(), CHECK_EVERY_MS).unref();
    fastify.addHook('onClose', async () => clearInterval(timer));
  }

  private check(): void {
    const oldest = performance.now() - LIMIT_MS;
    for (const [reply, { request, since }] of this.running) {
      if (since > oldest) return;
      this.running.delete(reply);
      this.filter.answer({ statusCode: 503 }, request, reply);
    }
  }
}
