import type { FastifyReply, FastifyRequest } from 'fastify';
import { DEVICE_TOKEN_TTL_MS } from '#abuse';

export const DEVICE_COOKIE = 'latchkey_device';

/** Keeps the device token of a browser where no script can read it. */
export class DeviceCookie {
  /** @param secure whether all clients reach this server over HTTPS. */
  constructor(private readonly secure: boolean) {}

  set(request: FastifyRequest, reply: FastifyReply, deviceToken: string): void {
    reply.setCookie(DEVICE_COOKIE, deviceToken, {
      httpOnly: true,
      secure: this.secure || cameOverTls(request),
      sameSite: 'lax',
      path: '/',
      maxAge: DEVICE_TOKEN_TTL_MS / 1_000,
    });
  }
}

/** Returns whether a trusted proxy received the request over TLS. */
export function cameOverTls({ server, socket, headers }: FastifyRequest): boolean {
  const forwardedProto = headers['x-forwarded-proto'] as string | undefined;
  return server.trustedProxies.reportsTls(socket.remoteAddress ?? '', forwardedProto);
}
