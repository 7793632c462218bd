import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  type PipeTransform,
  Post,
  Req,
  Res,
} from '@nestjs/common';
import { ApiAcceptedResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AuthService, isVerificationId, Public, type VerificationId } from '#auth';
import { NotFound } from '#errors';
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

const LOCATION = { description: 'The address of the new verification.', schema: { type: 'string' } } as const;

/** What has not even the form of an id names nothing. */
const asVerificationId: PipeTransform<string, VerificationId> = {
  transform(id) {
    if (!isVerificationId(id)) throw new NotFound('verification');
    return id;
  },
};

@ApiTags('Verifications')
@Controller('v1/verifications')
export class VerificationsController {
  constructor(
    private readonly auth: AuthService,
    private readonly phoneNumbers: PhoneNumbers,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  /**
   * Asks for a code.
   *
   * Always 202 and always this shape: the answer does not tell whether the number is known.
   */
  @Public()
  @ApiAcceptedResponse({ type: VerificationDto, headers: { Location: LOCATION } })
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
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const { phone_number, channel, locale, name } = body;
    const phoneNumber = this.phoneNumbers.read(phone_number);
    const verification = await this.auth.requestCode(
      { phoneNumber, channel: channel ?? 'sms', locale, name },
      requesterOf(request, body),
    );
    reply.header('location', `/v1/verifications/${verification.id}`);
    return VerificationDto.of(verification);
  }

  /** How far the verification and its newest message got. */
  @Public()
  @Problems('not_found')
  @Get(':id')
  async read(@Param('id', asVerificationId) id: VerificationId): Promise<VerificationDto> {
    return VerificationDto.of(await this.auth.verification(id));
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
  @Post(':id/resend')
  @HttpCode(202)
  async resend(
    @Param('id', asVerificationId) id: VerificationId,
    @Body() body: ResendVerificationDto,
    @Req() request: FastifyRequest,
  ): Promise<VerificationDto> {
    return VerificationDto.of(await this.auth.resendCode(id, requesterOf(request, body)));
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
