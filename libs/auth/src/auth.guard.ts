import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { InvalidToken, Unauthenticated } from '#errors';
import type { User } from '#users';
import { AuthService } from './auth.service.js';

const PUBLIC = 'public';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whoever holds the bearer token; absent for the anonymous. */
    user?: User;
  }
}

/** The route answers the anonymous too. */
export const Public = () => SetMetadata(PUBLIC, true);

/** The user whose token the request carries. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().user;
});

/** Who is asking? Without an answer only public routes go on, and a bad answer is refused on those as well. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly auth: AuthService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerOf(request.headers.authorization);
    if (token !== null) request.user = await this.auth.userOf(token);
    if (!request.user && !this.isPublic(context)) throw new Unauthenticated();
    return true;
  }

  private isPublic(context: ExecutionContext): boolean {
    return (
      this.reflector.getAllAndOverride<boolean>(PUBLIC, [context.getHandler(), context.getClass()]) === true
    );
  }
}

/**
 * RFC 6750, section 2.1. Null when there is no bearer: credentials of another scheme are a proxy's or a mistake,
 * and by section 3.1 they count as none.
 *
 * @throws InvalidToken when it has not the form of one.
 */
function bearerOf(authorization: string | undefined): string | null {
  if (authorization === undefined || !/^Bearer\b/i.test(authorization)) return null;
  const match = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization.trim());
  if (!match) throw new InvalidToken();
  return match[1] as string;
}
