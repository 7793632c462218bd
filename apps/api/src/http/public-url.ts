import type { FastifyRequest } from 'fastify';

/**
 * Returns the address of this server for clients, without a trailing slash.
 *
 * @param publicUrl `PUBLIC_URL`; null: `http://localhost` with the port of the request.
 */
export function publicUrlFor(publicUrl: string | null, { socket }: FastifyRequest): string {
  return publicUrl ?? `http://localhost:${socket.localPort}`;
}
