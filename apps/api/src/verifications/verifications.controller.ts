import { createHash } from 'node:crypto';
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  type PipeTransform,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiQuery,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  AuthService,
  isVerificationId,
  Public,
  type Verification,
  type VerificationId,
  VerificationWatch,
} from '#auth';
import { InvalidRequest, NotFound } from '#errors';
import { Channels } from '../http/channels.js';
import { PhoneNumbers } from '../http/phone-numbers.js';
import { Problems } from '../http/problems.decorator.js';
import { DeviceCookie, requesterOf } from '../http/requester.js';
import {
  CheckVerificationDto,
  OpenVerificationDto,
  ResendVerificationDto,
  SessionDto,
  VerificationDto,
} from './verification.dto.js';

/** Shorter than what proxies, and this server itself, give a request. */
const LONGEST_WAIT_SECONDS = 20;

const ETAG = { description: 'Names this state of the verification.', schema: { type: 'string' } } as const;
const LOCATION = { description: 'The address of the new verification.', schema: { type: 'string' } } as const;

/** What has not even the form of an id names nothing. */
const asVerificationId: PipeTransform<string, VerificationId> = {
  transform(id) {
    if (!isVerificationId(id)) throw new NotFound('verification');
    return id;
  },
};

const asWaitSeconds: PipeTransform<unknown, number> = {
  transform(text = '0') {
    const seconds = /^\d{1,2}$/.test(String(text)) ? Number(text) : Number.NaN;
    if (seconds <= LONGEST_WAIT_SECONDS) return seconds;
    throw new InvalidRequest(`\`wait\` must be a whole number of seconds from 0 to ${LONGEST_WAIT_SECONDS}`);
  },
};

@ApiTags('Verifications')
@Controller('v1/verifications')
export class VerificationsController {
  constructor(
    private readonly auth: AuthService,
    private readonly watch: VerificationWatch,
    private readonly channels: Channels,
    private readonly phoneNumbers: PhoneNumbers,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  /**
   * Asks for a code.
   *
   * Always 202 and always this shape: the answer does not tell whether the number is known.
   */
  @Public()
  @ApiAcceptedResponse({ type: VerificationDto, headers: { Location: LOCATION, ETag: ETAG } })
  @Problems(
    'invalid_request',
    'proof_of_work_required',
    'payload_too_large',
    'unsupported_media_type',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @Post()
  @HttpCode(202)
  async open(
    @Body() body: OpenVerificationDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const { phone_number, channel, locale, name } = body;
    const phoneNumber = this.phoneNumbers.read(phone_number);
    const verification = await this.auth.requestCode(
      { phoneNumber, channel: this.channels.read(channel), locale, name, acceptLanguage },
      requesterOf(request, body),
    );
    reply.headers({ location: `/v1/verifications/${verification.id}`, etag: etagOf(verification) });
    return VerificationDto.of(verification);
  }

  /**
   * How far the verification and its newest message got.
   *
   * With `wait` the answer comes at the next change, or after so many seconds. With the `ETag` of an earlier answer as
   * `If-None-Match` it comes at once when something changed since, and is 304 when nothing did.
   */
  @Public()
  @ApiOkResponse({ type: VerificationDto, headers: { ETag: ETAG } })
  @ApiResponse({ status: 304, description: 'Nothing changed since the answer with this `ETag`.' })
  @ApiQuery({
    name: 'wait',
    required: false,
    schema: { type: 'integer', minimum: 0, maximum: LONGEST_WAIT_SECONDS },
  })
  @ApiHeader({ name: 'If-None-Match', required: false })
  @Problems('invalid_request', 'not_found')
  @Get(':id')
  async read(
    @Param('id', asVerificationId) id: VerificationId,
    @Query('wait', asWaitSeconds) waitSeconds: number,
    @Headers('if-none-match') known: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto | undefined> {
    const found = await this.auth.verification(id);
    const isKnown = known === undefined || known === etagOf(found);
    const isWaiting = waitSeconds > 0 && isKnown && found.status === 'pending';
    const now = isWaiting ? await this.watch.change(found, waitSeconds * 1_000, request.signal) : found;
    const etag = etagOf(now);
    reply.header('etag', etag);
    if (known !== etag) return VerificationDto.of(now);
    reply.code(304);
    return undefined;
  }

  /** Sends the same code once more, from `resend_at` on. */
  @Public()
  @Problems(
    'invalid_request',
    'proof_of_work_required',
    'not_found',
    'verification_closed',
    'payload_too_large',
    'unsupported_media_type',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @ApiAcceptedResponse({ type: VerificationDto, headers: { ETag: ETAG } })
  @Post(':id/resend')
  @HttpCode(202)
  async resend(
    @Param('id', asVerificationId) id: VerificationId,
    @Body() body: ResendVerificationDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const channel = body.channel ? this.channels.read(body.channel) : null;
    const verification = await this.auth.resendCode(id, requesterOf(request, body), channel);
    reply.header('etag', etagOf(verification));
    return VerificationDto.of(verification);
  }

  /** Trades the right code for a session, once. */
  @Public()
  @Problems(
    'invalid_request',
    'code_rejected',
    'not_found',
    'verification_closed',
    'payload_too_large',
    'unsupported_media_type',
    'rate_limited',
  )
  @Post(':id/check')
  @HttpCode(200)
  async check(
    @Param('id', asVerificationId) id: VerificationId,
    @Body() body: CheckVerificationDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionDto> {
    const session = await this.auth.signIn(id, body.code, requesterOf(request, body), body.name);
    this.deviceCookie.set(reply, session.deviceToken);
    return SessionDto.of(session);
  }

  /** Gives the verification up: its code signs nobody in any more. */
  @Public()
  @Problems('not_found', 'verification_closed')
  @Delete(':id')
  @HttpCode(204)
  async cancel(@Param('id', asVerificationId) id: VerificationId): Promise<void> {
    await this.auth.cancel(id);
  }
}

/** Names what a client sees of the verification (RFC 9110, section 8.8.3). */
function etagOf(verification: Verification): string {
  const seen = JSON.stringify(VerificationDto.of(verification));
  return `"${createHash('sha256').update(seen).digest('base64url').slice(0, 22)}"`;
}
