import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Requester } from '#abuse';
import type { ApiClient } from '#auth';
import { InvalidRequest } from '#errors';
import { SIGN_UP_COOKIE } from '../sign-up/sign-up-cookie.js';
import { DEVICE_COOKIE } from './device-cookie.js';

const ADDRESS_OF_NO_CLIENT = {
  pointer: '/client_address',
  detail:
    'is accepted at /v1/verifications, with the credentials of a client that has the purpose sign_in or verify',
};

/** Members of a body that identify the requester. */
interface Credentials {
  readonly device_token?: string | null;
  readonly altcha?: string | null;
  readonly client_address?: string | null;
}

/**
 * The requester: IP address, device token and proof of work. A device token in the body takes precedence over the cookie. A client
 * of the API states the address of its user; else the request counts for the client.
 *
 * For routes whose `@ValidBody()` validates these members: the body is read here before it is validated, but an invalid one
 * never reaches the handler.
 */
export const FromRequester = createParamDecorator((_: unknown, context: ExecutionContext): Requester => {
  return requesterOf(context.switchToHttp().getRequest<FastifyRequest>());
});

export function requesterOf(
  request: FastifyRequest,
  { device_token, altcha, client_address } = (request.body ?? {}) as Credentials,
): Requester {
  const requester = {
    address: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
    deviceToken: device_token ?? request.cookies[DEVICE_COOKIE] ?? null,
    signUpToken: request.cookies[SIGN_UP_COOKIE] ?? null,
    proof: altcha ?? null,
  };
  if (request.apiClient) return actingFor(requester, request.apiClient, client_address ?? null);
  if (client_address)
    throw new InvalidRequest('the body breaks the rules in `errors`', [ADDRESS_OF_NO_CLIENT]);
  return requester;
}

/** The headers of a backend tell nothing about its user. */
function actingFor(requester: Requester, { id }: ApiClient, address: string | null): Requester {
  const ofUser = address === null ? { apiClient: id } : { address };
  return { ...requester, userAgent: null, signUpToken: null, ...ofUser };
}

/** The IP address of the client, behind the proxies that are trusted. */
export function addressOf({ server, socket, headers }: FastifyRequest): string {
  return server.trustedProxies.clientOf(socket.remoteAddress ?? '', forwardedFor(headers));
}

/** Node joins repeated headers of this name. */
function forwardedFor(headers: FastifyRequest['headers']): string | undefined {
  return headers['x-forwarded-for'] as string | undefined;
}
