import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ProblemFilter } from './problem.filter.js';

/** Longer than any wait of a handler: each store and each long poll has a time limit of its own. */
const LIMIT_MS = 30_000;

const CHECK_EVERY_MS = 1_000;

interface Running {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly since: number;
}

/**
 * Answers 503 for a handler that hangs. One timer serves all requests: Fastify's `handlerTimeout` creates a timer and an
 * AbortController for each.
 */
export class HandlerTimeout {
  /**
   * The request of each connection, which has one at a time. Null: none. A map of requests would keep them in memory after
   * their end: see docs/decisions/0082.
   */
  private readonly running = new Map<Socket, Running | null>();

  constructor(private readonly filter: ProblemFilter) {}

  register(fastify: FastifyInstance<RawServerDefault>): void {
    fastify.addHook('onRequest', (request, reply, done) => {
      const { socket } = request.raw;
      if (!this.running.has(socket)) socket.once('close', () => this.running.delete(socket));
      this.running.set(socket, { request, reply, since: performance.now() });
      done();
    });
    fastify.addHook('onResponse', ({ raw }, _reply, done) => {
      if (this.running.has(raw.socket)) this.running.set(raw.socket, null);
      done();
    });
    const timer = setInterval(() => this.check(), CHECK_EVERY_MS).unref();
    fastify.addHook('onClose', async () => clearInterval(timer));
  }

  private check(): void {
    const oldest = performance.now() - LIMIT_MS;
    for (const [socket, running] of this.running) {
      if (running === null || running.since > oldest) continue;
      this.running.set(socket, null);
      this.filter.answer({ statusCode: 503 }, running.request, running.reply);
    }
  }
}
