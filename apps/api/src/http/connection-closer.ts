import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/**
 * Closes each connection after its next answer once the server shuts down. The server waits for open connections, and a
 * kept-alive one would stay open until its idle timeout. A load balancer then also sends its next request to another
 * process.
 */
@Injectable()
export class ConnectionCloser implements OnModuleDestroy {
  private isShuttingDown = false;

  get isClosing(): boolean {
    return this.isShuttingDown;
  }

  /** Call at the first signal, before the server stops listening. */
  start(): void {
    this.isShuttingDown = true;
  }

  onModuleDestroy(): void {
    this.start();
  }

  /** Call before an answer is sent. */
  prepare(reply: FastifyReply): void {
    if (this.isShuttingDown) reply.header('connection', 'close');
  }
}
