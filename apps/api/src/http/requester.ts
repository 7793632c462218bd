import { isIP } from 'node:net';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Requester } from '#abuse';
import { DEVICE_COOKIE } from './device-cookie.js';

/** Members of a body that identify the requester. */
interface Credentials {
  readonly device_token?: string | null;
  readonly altcha?: string | null;
}

/**
 * The requester: IP address, device token and proof of work. A device token in the body takes precedence over the cookie.
 *
 * For routes whose `@Body()` validates both members: the body is read here before it is validated, but an invalid one
 * never reaches the handler.
 */
export const FromRequester = createParamDecorator((_: unknown, context: ExecutionContext): Requester => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { device_token, altcha } = (request.body ?? {}) as Credentials;
  return {
    address: addressOf(request),
    deviceToken: device_token ?? request.cookies[DEVICE_COOKIE] ?? null,
    proof: altcha ?? null,
  };
});

/** A trusted proxy may forward text that is not an IP address. The proxy itself is the requester then. */
function addressOf({ ip, socket }: FastifyRequest): string {
  return isIP(ip) ? ip : (socket.remoteAddress ?? '');
}
