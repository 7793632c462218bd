import {
  applyDecorators,
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { CrossSiteRequest, InvalidClient, InvalidToken, Unauthenticated } from '#errors';
import {
  type ApiClient,
  ApiClients,
  type ClientPurpose,
  mayRequestCodes,
  requirePurpose,
} from './api-clients.js';
import { ClientLimits } from './client-limits.js';
import { isCrossSite, originsOf } from './cross-site.js';
import { OperatorCredential } from './operator-credential.js';
import { SessionService } from './session.service.js';
import { SessionCookieOptions } from './session-cookie.js';
import type { Bearer } from './sessions.repository.js';

const ACCESS = 'access';
const PURPOSE = 'purpose';
const ACCEPTS_CLIENTS = 'accepts_clients';

/** The requests that a route accepts. A route without a mark needs a session. */
type Access = 'public' | 'session_optional' | 'session_on_demand' | 'operators' | 'clients';

/** Resolves to the owner of the request's token, or throws what a route that needs a session throws. */
export type Authenticate = () => Promise<Bearer>;

declare module 'fastify' {
  interface FastifyRequest {
    /** The owner of the bearer token; absent without one. */
    bearer?: Bearer;
    /** Present on routes whose handler decides whether they need a session. */
    authenticate?: Authenticate;
    /** The client whose credentials the request has, on a route with `@AcceptsClients()`. */
    apiClient?: ApiClient;
    /** The credential that the request has, and that is not right for its route. */
    wrongCredential?: 'operator_token' | 'client_secret';
  }
}

/** Marks a route that needs no session and ignores `Authorization`: an expired token must not lock its client out. */
export const Public = () => SetMetadata<string, Access>(ACCESS, 'public');

/** Marks a route that needs no session, but refuses an invalid bearer token. */
export const SessionOptional = () => SetMetadata<string, Access>(ACCESS, 'session_optional');

/** Marks a route whose handler decides whether it needs a session. Without that it ignores `Authorization`. */
export const SessionOnDemand = () => SetMetadata<string, Access>(ACCESS, 'session_on_demand');

/** Marks a route that accepts `OPERATOR_TOKEN` only. */
export const OperatorsOnly = () => SetMetadata<string, Access>(ACCESS, 'operators');

/** Marks a route that accepts the credentials of a client with this purpose only. */
export const ClientsOnly = (purpose: ClientPurpose) =>
  applyDecorators(SetMetadata<string, Access>(ACCESS, 'clients'), SetMetadata(PURPOSE, purpose));

/**
 * Marks a route for everyone on which a client may act for its users. Wrong credentials are refused; without clients that
 * request codes, credentials are ignored.
 */
export const AcceptsClients = () => SetMetadata<string, true>(ACCEPTS_CLIENTS, true);

/** Injects the client whose credentials the request has, on a route with `@AcceptsClients()`; else null. */
export const CurrentClient = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().apiClient ?? null;
});

/** Injects the owner of the request's bearer token. */
export const CurrentBearer = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().bearer;
});

/** Injects the function that authenticates the request, on a route with `@SessionOnDemand()`. */
export const BearerOnDemand = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().authenticate;
});

/** Injects the user of the request's bearer token. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<FastifyRequest>().bearer?.user;
});

/** Authenticates the request, as the mark of its route demands. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly sessions: SessionService,
    private readonly operators: OperatorCredential,
    private readonly cookie: SessionCookieOptions,
    private readonly clients: ApiClients,
    private readonly clientLimits: ClientLimits,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const places = [context.getHandler(), context.getClass()];
    const access = this.reflector.getAllAndOverride<Access>(ACCESS, places);
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (this.clients.requestCodes && this.reflector.getAllAndOverride<true>(ACCEPTS_CLIENTS, places))
      this.recogniseClient(request);
    if (access === 'public') return true;

    if (access === 'clients') {
      this.authenticateClient(request, this.reflector.getAllAndOverride<ClientPurpose>(PURPOSE, places));
      return true;
    }
    if (access === 'session_on_demand') request.authenticate = async () => this.authenticate(request);
    else if (access === 'operators')
      this.authenticateOperator(request, bearerOf(request.headers.authorization));
    // The browser sends a cookie unasked: one that has expired must not lock its user out of signing in.
    else if (access !== 'session_optional' || bearerOf(request.headers.authorization) !== null)
      request.bearer = await this.authenticate(request);
    return true;
  }

  /** @throws CrossSiteRequest, InsufficientScope, InvalidToken, Unauthenticated */
  private authenticate(request: FastifyRequest): Promise<Bearer> {
    return this.sessions.authenticate(bearerOf(request.headers.authorization) ?? this.tokenInCookie(request));
  }

  private authenticateOperator(request: FastifyRequest, token: string | null): void {
    if (token === null) throw new Unauthenticated();
    if (this.operators.isRight(token)) return;
    request.wrongCredential = 'operator_token';
    throw new InvalidToken();
  }

  /** @throws InvalidClient, RateLimited */
  private authenticateClient(request: FastifyRequest, purpose: ClientPurpose): void {
    const credentials = clientCredentialsOf(request.headers.authorization);
    if (credentials === null) throw new InvalidClient();
    const client = this.clientOf(credentials);
    if (!client?.purposes.includes(purpose)) request.wrongCredential = 'client_secret';
    if (!client) throw new InvalidClient();
    requirePurpose(client, purpose);
    request.apiClient = client;
    if (purpose === 'introspect') this.clientLimits.admitIntrospection(client);
  }

  /** @throws InvalidClient */
  private recogniseClient(request: FastifyRequest): void {
    const credentials = clientCredentialsOf(request.headers.authorization);
    if (credentials === null) return;
    const client = this.clientOf(credentials);
    if (!client || !mayRequestCodes(client)) request.wrongCredential = 'client_secret';
    if (!client) throw new InvalidClient();
    if (!mayRequestCodes(client))
      throw new InvalidClient('the client has neither the purpose sign_in nor verify');
    request.apiClient = client;
  }

  private clientOf(credentials: readonly ClientCredentials[]): ApiClient | null {
    const find = ({ id, secret }: ClientCredentials) =>
      id === null ? this.clients.findBySecret(secret) : this.clients.find(id, secret);
    return credentials.map(find).find((found) => found !== null) ?? null;
  }

  /** @throws CrossSiteRequest, Unauthenticated */
  private tokenInCookie({ cookies, method, headers }: FastifyRequest): string {
    const { name, publicOrigin, isTrusted } = this.cookie;
    const token = name === null ? undefined : cookies[name];
    if (token === undefined) throw new Unauthenticated();
    const from = {
      method,
      fetchSite: headers['sec-fetch-site'] as string | undefined,
      origin: headers.origin,
    };
    const own = publicOrigin === null ? originsOf(headers.host) : [publicOrigin];
    if (isCrossSite(from, own, isTrusted)) throw new CrossSiteRequest();
    return token;
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

/** Credentials of a client. Without an id the secret was sent as a bearer token. */
interface ClientCredentials {
  readonly id: string | null;
  readonly secret: string;
}

/**
 * Returns a secret that was sent as a bearer token; or the user id and password of HTTP Basic (RFC 7617, section 2) as they are,
 * and in the encoding that OAuth adds (RFC 6749, section 2.3.1): some clients omit it. Returns an empty list for malformed
 * credentials of a client, and null for those of others.
 */
function clientCredentialsOf(authorization = ''): ClientCredentials[] | null {
  const [, scheme = '', value = ''] = /^([a-z]+)(?: +(.*))?$/i.exec(authorization.trim()) ?? [];
  // The secrets of `latchkey clients add` begin so, and no token does.
  if (/^bearer$/i.test(scheme)) return value.startsWith('sk_') ? [{ id: null, secret: value }] : null;
  return /^basic$/i.test(scheme) ? basicCredentialsOf(value) : null;
}

function basicCredentialsOf(value: string): ClientCredentials[] {
  const [encoded = ''] = /^[A-Za-z0-9+/]+=*$/.exec(value) ?? [];
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  if (id === undefined || secret === undefined) return [];
  const [decoded] = [...new URLSearchParams(`${id}=${secret}`)];
  return [{ id, secret }, ...(decoded ? [{ id: decoded[0], secret: decoded[1] }] : [])];
}
