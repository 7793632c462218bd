import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Bearer, CurrentBearer, Public, SessionService } from '#auth';
import { AppConfig } from '#config';
import { InvalidRequest } from '#errors';
import { SignedTokensService } from '#tokens';
import { Problems } from '../http/problems.decorator.js';
import { publicUrlFor } from '../http/public-url.js';
import { SessionCookie } from '../http/session-cookie.js';
import { ValidBody } from '../http/validation.js';
import {
  RefreshDto,
  RefreshedSessionDto,
  RequestSignedTokenDto,
  SessionListDto,
  SignedTokenDto,
} from './session.dto.js';
import {
  asCursor,
  asPageSize,
  asSessionId,
  asSessionsToEnd,
  LONGEST_PAGE,
  type SessionsToEnd,
} from './session-parameters.js';

const SESSION_ID = { type: 'string', examples: ['0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a'] };

const VERIFIED_HEADERS = {
  'X-User-Id': { description: 'The `id` of the user.', schema: SESSION_ID },
  'X-Session-Id': {
    description: 'The `id` of the session. Not sent for a token that is older than sessions.',
    schema: SESSION_ID,
  },
  'X-User-Phone': {
    description: 'The phone number of the user in E.164 form, if `FORWARD_PHONE` is on.',
    schema: { type: 'string', examples: ['+14155550100'] },
  },
} as const;

const REFRESH_EXAMPLES = {
  refresh: { summary: 'The newest refresh token', value: { refresh_token: 'MF3H5Q2N3XW4EYAV6DZTLM5RUI' } },
};

const SIGNED_TOKEN_EXAMPLES = {
  usual: { summary: 'For the first audience', value: {} },
  named: { summary: 'For one audience', value: { audience: 'https://sign-in.example.org' } },
};

@ApiTags('Sessions')
@Controller('v1')
export class SessionsController {
  constructor(
    private readonly sessions: SessionService,
    private readonly cookie: SessionCookie,
    private readonly signedTokens: SignedTokensService,
    private readonly config: AppConfig,
  ) {}

  /**
   * Exchanges a refresh token for new tokens.
   *
   * A refresh token works once. The answer has the next one. For 30 seconds after its first use the same refresh token gets the
   * same successor, so repeat a request whose answer was lost. A later use ends the session: one of two clients has copied
   * the token. A session can be refreshed 60 times a minute. Earlier bearer tokens of the session stay valid until they expire.
   */
  @Public()
  @ApiBody({ type: RefreshDto, examples: REFRESH_EXAMPLES })
  @ApiOkResponse({ type: RefreshedSessionDto, description: 'The session has new tokens.' })
  @Problems('invalid_token', 'rate_limited')
  @Post('session/refresh')
  @HttpCode(200)
  async refreshSession(
    @ValidBody() { refresh_token }: RefreshDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RefreshedSessionDto> {
    const session = await this.sessions.refresh(refresh_token);
    this.cookie.set(request, reply, session);
    return RefreshedSessionDto.of(session);
  }

  /**
   * Authenticates a request for a reverse proxy.
   *
   * The answer has no body. Forward it to the backend as headers: nginx `auth_request`, Caddy `forward_auth` and Traefik
   * `ForwardAuth` call this route before each request.
   */
  @ApiBearerAuth()
  @ApiNoContentResponse({ description: 'The request has a valid token.', headers: VERIFIED_HEADERS })
  @Problems('unauthenticated', 'insufficient_scope')
  @Get('session/verify')
  @HttpCode(204)
  verifySession(
    @CurrentBearer() { user, sessionId }: Bearer,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): void {
    reply.header('x-user-id', user.id);
    if (sessionId !== null) reply.header('x-session-id', sessionId);
    if (this.config.forwardPhone) reply.header('x-user-phone', user.phoneNumber);
  }

  /**
   * Returns a signed token for another service.
   *
   * The service verifies it by the public keys at `/.well-known/jwks.json`, without a request to this server. It is valid for
   * ten minutes, also when the session ends before.
   */
  @ApiBearerAuth()
  @ApiBody({ type: RequestSignedTokenDto, required: false, examples: SIGNED_TOKEN_EXAMPLES })
  @ApiOkResponse({ type: SignedTokenDto, description: 'The signed token.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request')
  @Post('session/jwt')
  @HttpCode(200)
  async signToken(
    @CurrentBearer() { user, sessionId, scope }: Bearer,
    @ValidBody() { audience }: RequestSignedTokenDto,
    @Req() request: FastifyRequest,
  ): Promise<SignedTokenDto> {
    const issuer = publicUrlFor(this.config.publicUrl, request);
    const claims = { issuer, audience: this.audienceOf(audience ?? null, issuer) };
    const signed = await this.signedTokens.sign({ ...claims, userId: user.id, sessionId, scope });
    return { token: signed.token, token_type: 'Bearer', expires_in: signed.expiresInSeconds, scope };
  }

  /** @throws InvalidRequest */
  private audienceOf(asked: string | null, issuer: string): string {
    const { jwtAudiences } = this.config;
    const allowed = jwtAudiences.length > 0 ? jwtAudiences : [issuer];
    const audience = asked ?? (allowed[0] as string);
    if (allowed.includes(audience)) return audience;
    const fault = { pointer: '/audience', detail: 'must be one of JWT_AUDIENCES, or left out' };
    throw new InvalidRequest('the audience is not allowed', [fault]);
  }

  /**
   * Signs out.
   *
   * Ends the session of this request: its next request is answered with 401, whichever of its tokens it has.
   */
  @ApiBearerAuth()
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request')
  @Delete('session')
  @HttpCode(204)
  async signOut(
    @CurrentBearer() bearer: Bearer,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.sessions.signOut(bearer);
    this.cookie.clear(request, reply);
  }

  /**
   * Lists the sessions of the user, newest first.
   *
   * A session is one sign-in on one device. Ended and expired sessions are not listed.
   */
  @ApiBearerAuth()
  @ApiQuery({
    name: 'limit',
    description: 'The most sessions to return. Default: 50.',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: LONGEST_PAGE },
  })
  @ApiQuery({
    name: 'cursor',
    description: 'The `next_cursor` of the answer before.',
    required: false,
    schema: SESSION_ID,
  })
  @ApiOkResponse({ type: SessionListDto, description: 'The sessions.' })
  @Problems('unauthenticated', 'insufficient_scope')
  @Get('sessions')
  async listSessions(
    @CurrentBearer() bearer: Bearer,
    @Query('limit', asPageSize) limit: number,
    @Query('cursor', asCursor) cursor: string | null,
  ): Promise<SessionListDto> {
    return SessionListDto.of(await this.sessions.list(bearer, limit, cursor));
  }

  /**
   * Ends all other sessions of the user.
   *
   * With `include=current` it also ends the session of this request. The next request of an ended session is answered with 401.
   */
  @ApiBearerAuth()
  @ApiQuery({
    name: 'include',
    description: '`current`: the session of this request ends, too.',
    required: false,
    schema: { type: 'string', enum: ['current'] },
  })
  @ApiNoContentResponse({ description: 'The sessions have ended.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request')
  @Delete('sessions')
  @HttpCode(204)
  async endSessions(
    @CurrentBearer() bearer: Bearer,
    @Query('include', asSessionsToEnd) ended: SessionsToEnd,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.sessions.endAll(bearer, ended === 'all');
    if (ended === 'all') this.cookie.clear(request, reply);
  }

  /**
   * Ends one session of the user.
   *
   * Its next request is answered with 401. Ending it again changes nothing.
   */
  @ApiBearerAuth()
  @ApiParam({ name: 'id', description: 'The `id` of the session.', schema: SESSION_ID })
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request', 'not_found')
  @Delete('sessions/:id')
  @HttpCode(204)
  async endSession(@CurrentBearer() bearer: Bearer, @Param('id', asSessionId) id: string): Promise<void> {
    await this.sessions.end(bearer, id);
  }
}
