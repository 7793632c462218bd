import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Requester } from '#abuse';
import { SIGN_UP_COOKIE } from '../sign-up/sign-up-cookie.js';
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
  return requesterOf(context.switchToHttp().getRequest<FastifyRequest>());
});

export function requesterOf(request: FastifyRequest): Requester {
  const { device_token, altcha } = (request.body ?? {}) as Credentials;
  return {
    address: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
    deviceToken: device_token ?? request.cookies[DEVICE_COOKIE] ?? null,
    signUpToken: request.cookies[SIGN_UP_COOKIE] ?? null,
    proof: altcha ?? null,
  };
}

/** The IP address of the client, behind the proxies that are trusted. */
export function addressOf({ server, socket, headers }: FastifyRequest): string {
  return server.trustedProxies.clientOf(socket.remoteAddress ?? '', forwardedFor(headers));
}

/** Node joins repeated headers of this name. */
function forwardedFor(headers: FastifyRequest['headers']): string | undefined {
  return headers['x-forwarded-for'] as string | undefined;
}
