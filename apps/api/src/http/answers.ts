import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '#auth';
import { DeviceCookie } from './device-cookie.js';
import { tagged } from './entity-tag.js';
import { PublicPath } from './public-path.js';
import { SessionCookie } from './session-cookie.js';

/** For the `headers` of an `ApiResponse`. */
export const LOCATION_HEADER = {
  description: 'The path of the new resource.',
  schema: { type: 'string', examples: ['/v1/verifications/q0b7ZnG2S1mXw9cY4rT5uA'] },
} as const;

/**
 * Sets the headers of answers. Handlers call it: for an interceptor Nest would build an observable on every request. See
 * docs/decisions/0086.
 */
@Injectable()
export class Answers {
  constructor(
    private readonly publicPath: PublicPath,
    private readonly deviceCookie: DeviceCookie,
    private readonly sessionCookie: SessionCookie,
  ) {}

  /** Sets `Location` to the resource that the request has created, and its `ETag`. Returns the body. */
  created<T extends object>(reply: FastifyReply, path: string, body: T): T {
    reply.header('location', this.publicPath.of(path));
    return tagged(reply, body);
  }

  /** Sets the cookies of a session. */
  signedIn(request: FastifyRequest, reply: FastifyReply, session: Session): void {
    this.deviceCookie.set(request, reply, session.deviceToken);
    this.sessionCookie.set(request, reply, session);
  }
}
