import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import type { Session } from '#auth';
import { SignUpUsers } from '../sign-up/sign-up-user.dto.js';
import { DeviceCookie } from './device-cookie.js';
import { SessionCookie } from './session-cookie.js';

/**
 * Sets the cookies when the handler returns a `Session`, and answers with the DTO of the session.
 * Any other result of the handler is answered unchanged.
 */
export function AnswersSessionAs(dto: { of(session: Session, users: SignUpUsers): object }): MethodDecorator {
  @Injectable()
  class SessionInterceptor implements NestInterceptor<Session | object, object> {
    constructor(
      private readonly deviceCookie: DeviceCookie,
      private readonly sessionCookie: SessionCookie,
      private readonly users: SignUpUsers,
    ) {}

    intercept(context: ExecutionContext, next: CallHandler<Session | object>): Observable<object> {
      const http = context.switchToHttp();
      return next.handle().pipe(
        map((result) => {
          if (!isSession(result)) return result;
          this.deviceCookie.set(http.getRequest(), http.getResponse(), result.deviceToken);
          this.sessionCookie.set(http.getRequest(), http.getResponse(), result);
          return dto.of(result, this.users);
        }),
      );
    }
  }
  return UseInterceptors(SessionInterceptor);
}

function isSession(result: Session | object): result is Session {
  return 'deviceToken' in result;
}
