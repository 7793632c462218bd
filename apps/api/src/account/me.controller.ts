import { Body, Controller, Get, Headers, Patch, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AccountService, CurrentUser } from '#auth';
import type { User } from '#users';
import { Problems } from '../http/problems.decorator.js';
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
  constructor(private readonly accounts: AccountService) {}

  /**
   * Returns the signed-in user.
   *
   * The `ETag` is the version of the user.
   */
  @ApiOkResponse({ type: UserDto, description: 'The user.', headers: ETAG })
  @Problems('unauthenticated')
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
  @Problems('unauthenticated', 'cross_site_request', 'version_conflict')
  @Patch()
  async changeMe(
    @CurrentUser() { id }: User,
    @Body() { name, locale, version }: ChangeMeDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserDto> {
    const changed = await this.accounts.change(id, { name, locale }, version ?? versionOfTag(ifMatch));
    reply.header('etag', tagOfVersion(changed.version));
    return UserDto.of(changed);
  }
}
