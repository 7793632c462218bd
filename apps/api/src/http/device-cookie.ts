import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { DEVICE_TOKEN_TTL_MS } from '#abuse';
import type { Session } from '#auth';

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

/**
 * Sets the device cookie when the handler returns a `Session`, and answers with the DTO of the session.
 * Any other result of the handler is answered unchanged.
 */
export function AnswersSessionAs(dto: { of(session: Session): object }): MethodDecorator {
  @Injectable()
  class SessionInterceptor implements NestInterceptor<Session | object, object> {
    constructor(private readonly deviceCookie: DeviceCookie) {}

    intercept(context: ExecutionContext, next: CallHandler<Session | object>): Observable<object> {
      const http = context.switchToHttp();
      return next.handle().pipe(
        map((result) => {
          if (!isSession(result)) return result;
          this.deviceCookie.set(http.getRequest(), http.getResponse(), result.deviceToken);
          return dto.of(result);
        }),
      );
    }
  }
  return UseInterceptors(SessionInterceptor);
}

/** Returns whether a trusted proxy received the request over TLS. */
export function cameOverTls({ server, socket, headers }: FastifyRequest): boolean {
  const forwardedProto = headers['x-forwarded-proto'] as string | undefined;
  return server.trustedProxies.reportsTls(socket.remoteAddress ?? '', forwardedProto);
}

function isSession(result: Session | object): result is Session {
  return 'deviceToken' in result;
}
