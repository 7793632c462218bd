import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SessionCookieOptions } from '#auth';
import { cameOverTls } from './device-cookie.js';

/** Keeps the token of a browser's session where no script can read it, if `SESSION_COOKIE` is on. */
@Injectable()
export class SessionCookie {
  constructor(private readonly options: SessionCookieOptions) {}

  set(request: FastifyRequest, reply: FastifyReply, session: { token: string; expiresAt: Date }): void {
    const { name } = this.options;
    if (name !== null)
      // The answer to a repeated request is JSON, where a date is text.
      reply.setCookie(name, session.token, {
        ...attributes(name, request),
        expires: new Date(session.expiresAt),
      });
  }

  /** Deletes the cookie, unless the request was authenticated by another token in its header. */
  clear(request: FastifyRequest, reply: FastifyReply): void {
    const { name } = this.options;
    if (name === null) return;
    // Credentials of another scheme belong to a proxy.
    const [, bearer] = /^Bearer +(\S+)/i.exec(request.headers.authorization ?? '') ?? [];
    const token = request.cookies[name];
    if (bearer === undefined || token === undefined || bearer === token)
      reply.clearCookie(name, attributes(name, request));
  }
}

function attributes(name: string, request: FastifyRequest) {
  const secure = name.startsWith('__Host-') || cameOverTls(request);
  return { httpOnly: true, secure, sameSite: 'lax', path: '/' } as const;
}
