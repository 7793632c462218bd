import type { FastifyReply, FastifyRequest } from 'fastify';
import { cameOverTls } from '../http/device-cookie.js';
import type { PublicPath } from '../http/public-path.js';

export const SIGN_UP_COOKIE = 'latchkey_signup';

/** Longer than any code is valid. */
const LIFE_SECONDS = 3_600;

/** Recognises the browser that requested a code when it sends the code, also from another address. */
export class SignUpCookie {
  /** @param secure whether all clients reach this server over HTTPS. */
  constructor(
    private readonly secure: boolean,
    private readonly path: PublicPath,
  ) {}

  set(request: FastifyRequest, reply: FastifyReply, token: string): void {
    reply.setCookie(SIGN_UP_COOKIE, token, {
      httpOnly: true,
      secure: this.secure || cameOverTls(request),
      sameSite: 'lax',
      path: this.path.of('/signup'),
      maxAge: LIFE_SECONDS,
    });
  }
}
