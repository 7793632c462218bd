import type { FastifyReply } from 'fastify';

/** Adds a request header that the answer depends on (RFC 9110, section 12.5.5). */
export function addVary(reply: FastifyReply, name: string): void {
  reply.header('vary', [...varyOf(reply), name].join(', '));
}

/** Removes a request header that the answer does not depend on. */
export function removeVary(reply: FastifyReply, name: string): void {
  const others = varyOf(reply).filter((other) => other !== name);
  if (others.length > 0) reply.header('vary', others.join(', '));
  else reply.removeHeader('vary');
}

function varyOf(reply: FastifyReply): string[] {
  const vary = reply.getHeader('vary');
  return typeof vary === 'string' ? vary.split(', ') : [];
}
