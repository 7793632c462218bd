import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { type Bearer, CurrentBearer, Public, SessionService } from '#auth';
import { Problems } from '../http/problems.decorator.js';
import { RefreshDto, RefreshedSessionDto, SessionListDto } from './session.dto.js';
import { asCursor, asInclude, asPageSize, asSessionId, LONGEST_PAGE } from './session-parameters.js';

const SESSION_ID = { type: 'string', examples: ['0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a'] };

const REFRESH_EXAMPLES = {
  refresh: { summary: 'The newest refresh token', value: { refresh_token: 'MF3H5Q2N3XW4EYAV6DZTLM5RUI' } },
};

@ApiTags('Sessions')
@Controller('v1')
export class SessionsController {
  constructor(private readonly sessions: SessionService) {}

  /**
   * Exchanges a refresh token for new tokens.
   *
   * A refresh token works once. The answer has the next one. For 30 seconds after its first use the same refresh token gets the
   * same successor, so repeat a request whose answer was lost. A later use ends the session: one of two clients has copied
   * the token. Earlier bearer tokens of the session stay valid until they expire.
   */
  @Public()
  @ApiBody({ type: RefreshDto, examples: REFRESH_EXAMPLES })
  @ApiOkResponse({ type: RefreshedSessionDto, description: 'The session has new tokens.' })
  @Problems('invalid_token')
  @Post('session/refresh')
  @HttpCode(200)
  async refreshSession(@Body() { refresh_token }: RefreshDto): Promise<RefreshedSessionDto> {
    return RefreshedSessionDto.of(await this.sessions.refresh(refresh_token));
  }

  /**
   * Signs out.
   *
   * Ends the session of this request: its next request is answered with 401, whichever of its tokens it has.
   */
  @ApiBearerAuth()
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @Problems('unauthenticated')
  @Delete('session')
  @HttpCode(204)
  async signOut(@CurrentBearer() bearer: Bearer): Promise<void> {
    await this.sessions.signOut(bearer);
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
  @Problems('unauthenticated')
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
  @Problems('unauthenticated')
  @Delete('sessions')
  @HttpCode(204)
  async endSessions(
    @CurrentBearer() bearer: Bearer,
    @Query('include', asInclude) includesCurrent: boolean,
  ): Promise<void> {
    await this.sessions.endAll(bearer, includesCurrent);
  }

  /**
   * Ends one session of the user.
   *
   * Its next request is answered with 401. Ending it again changes nothing.
   */
  @ApiBearerAuth()
  @ApiParam({ name: 'id', description: 'The `id` of the session.', schema: SESSION_ID })
  @ApiNoContentResponse({ description: 'The session has ended.' })
  @Problems('unauthenticated', 'not_found')
  @Delete('sessions/:id')
  @HttpCode(204)
  async endSession(
    @CurrentBearer() bearer: Bearer,
    @Param('id', asSessionId) id: string,
  ): Promise<void> {
    await this.sessions.end(bearer, id);
  }
}
