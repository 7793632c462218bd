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
import { OperatorCredential } from './operator-credential.js';

const PUBLIC = 'public';
const OPERATORS = 'operators';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whoever holds the bearer token; absent for the anonymous. */
    user?: User;
  }
}

/** The route answers the anonymous too. */
export const Public = () => SetMetadata(PUBLIC, true);

/** The route is for whoever holds `OPERATOR_TOKEN`, and for nobody else. */
export const OperatorsOnly = () => SetMetadata(OPERATORS, true);

/** The user whose token the request carries. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().user;
});

/** Who is asking? Without an answer only public routes go on, and a bad answer is refused on those as well. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly auth: AuthService,
    private readonly operators: OperatorCredential,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerOf(request.headers.authorization);
    if (this.says(OPERATORS, context)) {
      if (token === null) throw new Unauthenticated();
      if (!this.operators.isRight(token)) throw new InvalidToken();
      return true;
    }
    if (token !== null) request.user = await this.auth.userOf(token);
    if (!request.user && !this.says(PUBLIC, context)) throw new Unauthenticated();
    return true;
  }

  private says(mark: string, context: ExecutionContext): boolean {
    return (
      this.reflector.getAllAndOverride<boolean>(mark, [context.getHandler(), context.getClass()]) === true
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
