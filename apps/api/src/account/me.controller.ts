import { Controller, Delete, Get, Headers, HttpCode, Patch, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccountService, type Bearer, CurrentBearer, CurrentUser } from '#auth';
import type { User } from '#users';
import { Problems } from '../http/problems.decorator.js';
import { SessionCookie } from '../http/session-cookie.js';
import { ValidBody } from '../http/validation.js';
import { AccountExportDto } from './account-export.dto.js';
import { ChangeMeDto } from './me.dto.js';
import { UserDto } from './user.dto.js';
import { tagOfVersion, versionOfTag } from './version.js';

const ETAG = {
  ETag: { description: 'The `version` of the user.', schema: { type: 'string', examples: ['"1"'] } },
} as const;

const CHANGE_EXAMPLES = {
  name: { summary: 'Another name', value: { name: 'Ada Lovelace' } },
  checked: { summary: 'Unless the user has changed since', value: { locale: 'fr', version: 1 } },
};

@ApiTags('Signed in')
@ApiBearerAuth()
@Controller('v1/me')
export class MeController {
  constructor(
    private readonly accounts: AccountService,
    private readonly cookie: SessionCookie,
  ) {}

  /**
   * Returns the signed-in user.
   *
   * The `ETag` is the version of the user.
   */
  @ApiOkResponse({ type: UserDto, description: 'The user.', headers: ETAG })
  @Problems('unauthenticated', 'insufficient_scope')
  @Get()
  getMe(@CurrentUser() user: User, @Res({ passthrough: true }) reply: FastifyReply): UserDto {
    reply.header('etag', tagOfVersion(user.version));
    return UserDto.of(user);
  }

  /**
   * Changes the signed-in user.
   *
   * To detect that another device has changed the user, send the `version` that the change is based on, or its `ETag` as
   * `If-Match`.
   */
  @ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'The `ETag` of an answer with the user.',
    schema: { type: 'string', examples: ['"1"'] },
  })
  @ApiBody({ type: ChangeMeDto, examples: CHANGE_EXAMPLES })
  @ApiOkResponse({ type: UserDto, description: 'The changed user.', headers: ETAG })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request', 'version_conflict')
  @Patch()
  async changeMe(
    @CurrentUser() { id }: User,
    @ValidBody() { name, locale, version }: ChangeMeDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserDto> {
    const changed = await this.accounts.change(id, { name, locale }, version ?? versionOfTag(ifMatch));
    reply.header('etag', tagOfVersion(changed.version));
    return UserDto.of(changed);
  }

  /**
   * Returns all that is stored about the signed-in user.
   *
   * Secrets, which are stored as hashes, are not part of it.
   */
  @ApiOkResponse({ type: AccountExportDto, description: 'The stored data.' })
  @Problems('unauthenticated', 'insufficient_scope')
  @Get('export')
  async exportMe(@CurrentUser() user: User): Promise<AccountExportDto> {
    return AccountExportDto.of(await this.accounts.export(user));
  }

  /**
   * Deletes the account of the signed-in user.
   *
   * Deletes the user, all sessions, and the verifications of the number. The session must have begun within the last ten
   * minutes. Repeat the request when the answer is 503; if it is 401 then, sign in again and check.
   */
  @ApiNoContentResponse({ description: 'The account is deleted.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request', 'recent_sign_in_required')
  @Delete()
  @HttpCode(204)
  async deleteMe(
    @CurrentBearer() bearer: Bearer,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.accounts.delete(bearer);
    this.cookie.clear(request, reply);
  }
}
