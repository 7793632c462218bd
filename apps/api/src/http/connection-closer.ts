import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/**
 * Closes each connection after its next answer once the server shuts down. The server waits for open connections, and a
 * kept-alive one would stay open until its idle timeout.
 */
@Injectable()
export class ConnectionCloser implements OnModuleDestroy {
  private isClosing = false;

  onModuleDestroy(): void {
    this.isClosing = true;
  }

  /** Call before an answer is sent. */
  prepare(reply: FastifyReply): void {
    if (this.isClosing) reply.header('connection', 'close');
  }
}
