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
import { OperatorCredential } from './operator-credential.js';
import { SessionService } from './session.service.js';

const PUBLIC = 'public';
const OPERATORS = 'operators';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user of the bearer token; absent without one. */
    user?: User;
  }
}

/** Marks a route that needs no session. */
export const Public = () => SetMetadata(PUBLIC, true);

/** Marks a route that accepts `OPERATOR_TOKEN` only. */
export const OperatorsOnly = () => SetMetadata(OPERATORS, true);

/** Injects the user of the request's bearer token. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().user;
});

/** Authenticates the request. Refuses an invalid bearer token on public routes too. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly sessions: SessionService,
    private readonly operators: OperatorCredential,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerOf(request.headers.authorization);
    if (this.isMarked(OPERATORS, context)) {
      if (token === null) throw new Unauthenticated();
      if (!this.operators.isRight(token)) throw new InvalidToken();
      return true;
    }
    if (token !== null) request.user = await this.sessions.userOf(token);
    if (!request.user && !this.isMarked(PUBLIC, context)) throw new Unauthenticated();
    return true;
  }

  private isMarked(mark: string, context: ExecutionContext): boolean {
    return (
      this.reflector.getAllAndOverride<boolean>(mark, [context.getHandler(), context.getClass()]) === true
    );
  }
}

/**
 * Returns the bearer token (RFC 6750, section 2.1). Returns null for credentials of another scheme, which section 3.1
 * treats as none: they may belong to a proxy.
 *
 * @throws InvalidToken when the token is malformed.
 */
function bearerOf(authorization: string | undefined): string | null {
  if (authorization === undefined || !/^Bearer\b/i.test(authorization)) return null;
  const match = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization.trim());
  if (!match) throw new InvalidToken();
  return match[1] as string;
}
