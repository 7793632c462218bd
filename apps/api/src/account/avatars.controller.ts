import { Controller, Delete, Get, Headers, HttpCode, Param, Put, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiParam,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvatarService, CurrentUser, Public } from '#auth';
import { NotFound } from '#errors';
import type { User } from '#users';
import { AcceptsImage, ImageUploads } from '../http/image-upload.js';
import { Problems } from '../http/problems.decorator.js';
import { removeVary } from '../http/vary.js';
import { UserDto } from './user.dto.js';

const IMAGE = { type: 'string', format: 'binary' } as const;
const FORM = { type: 'object', required: ['file'], properties: { file: IMAGE } };

/** Browsers and proxies keep an image for a year: another image has another path. */
const IMAGE_HEADERS = {
  'cache-control': 'public, max-age=31536000, immutable',
  'content-type': 'image/webp',
  'content-security-policy': 'sandbox',
} as const;

@Controller('v1')
export class AvatarsController {
  private readonly uploads = new ImageUploads();

  constructor(private readonly avatars: AvatarService) {}

  /**
   * Replaces the avatar of the signed-in user.
   *
   * Send the image as the body, or as the part `file` of a form: JPEG, PNG, WebP, AVIF, or GIF (the first frame). It may have 5
   * MiB and 24 megapixels. It is cropped to a square and stored as WebP, without metadata. A user can upload ten times a day.
   */
  @ApiTags('Signed in')
  @ApiBearerAuth()
  @ApiConsumes('multipart/form-data', 'image/*')
  @ApiBody({ schema: FORM })
  @ApiOkResponse({ type: UserDto, description: 'The user with the new avatar.' })
  @Problems(
    'unauthenticated',
    'insufficient_scope',
    'cross_site_request',
    'payload_too_large',
    'unsupported_media_type',
    'image_rejected',
    'rate_limited',
  )
  @AcceptsImage()
  @Put('me/avatar')
  async putAvatar(
    @CurrentUser() user: User,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserDto> {
    return UserDto.of(await this.avatars.replace(user, () => this.uploads.read(request, reply)));
  }

  /**
   * Deletes the avatar of the signed-in user.
   *
   * Does nothing if there is none.
   */
  @ApiTags('Signed in')
  @ApiBearerAuth()
  @ApiNoContentResponse({ description: 'The user has no avatar.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request')
  @Delete('me/avatar')
  @HttpCode(204)
  deleteAvatar(@CurrentUser() user: User): Promise<void> {
    return this.avatars.delete(user);
  }

  /**
   * Returns an image of an avatar.
   *
   * The paths are in `avatar` of a user. An image of a path never changes.
   */
  @ApiTags('Signed in')
  @Public()
  @ApiParam({
    name: 'file',
    description: 'The hash of the image, with the ending `.webp`.',
    schema: { type: 'string', pattern: '^[0-9a-f]{64}\\.webp$' },
  })
  @ApiOkResponse({ description: 'The image.', content: { 'image/webp': { schema: IMAGE } } })
  @ApiResponse({ status: 304, description: 'The client has the image.' })
  @Problems('not_found')
  @Get('avatars/:file')
  async getAvatar(
    @Param('file') file: string,
    @Headers('if-none-match') known: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const hash = /^([0-9a-f]{64})\.webp$/.exec(file)?.[1];
    if (hash === undefined) throw new NotFound('avatar');
    const image = await this.avatars.find(hash);
    const tag = `"${hash}"`;
    removeVary(reply, 'Authorization');
    reply.headers({ ...IMAGE_HEADERS, etag: tag });
    if (known?.includes(tag)) await reply.code(304).send();
    else await reply.send(image);
  }
}
