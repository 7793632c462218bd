import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DEVICE_TOKEN_TTL_MS, type Requester } from '#auth';

const DEVICE_COOKIE = 'latchkey_device';

/** What the bodies of requests for codes, and of checks, say of whoever sent them. */
interface Credentials {
  readonly device_token?: string | null;
  readonly altcha?: string | null;
}

/** Who sent the request. A device token in the body goes before the cookie. */
export function requesterOf(request: FastifyRequest, { device_token, altcha }: Credentials): Requester {
  return {
    address: addressOf(request),
    deviceToken: device_token ?? request.cookies[DEVICE_COOKIE] ?? null,
    proof: altcha ?? null,
  };
}

/** Browsers keep the device token where no script can read it. */
export class DeviceCookie {
  /** @param secure whether clients reach this server by HTTPS only. */
  constructor(private readonly secure: boolean) {}

  set(reply: FastifyReply, deviceToken: string): void {
    reply.setCookie(DEVICE_COOKIE, deviceToken, {
      httpOnly: true,
      secure: this.secure,
      sameSite: 'lax',
      path: '/',
      maxAge: DEVICE_TOKEN_TTL_MS / 1_000,
    });
  }
}

/** A trusted proxy may pass on words that are no address; then it is the proxy that asks. */
function addressOf({ ip, socket }: FastifyRequest): string {
  return isIP(ip) ? ip : (socket.remoteAddress ?? '');
}
