import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Requester } from '#abuse';
import { AuthService, Public, type Session } from '#auth';
import { type VerificationId, VerificationWatch } from '#otp';
import { ChannelParser } from '../http/channel-parser.js';
import { AnswersSessionAs } from '../http/device-cookie.js';
import { ConditionalGet, EntityTag, ETAG_HEADER, entityTagOf } from '../http/entity-tag.js';
import { CreatesAt, LOCATION_HEADER } from '../http/location.js';
import { PhoneNumberParser } from '../http/phone-number-parser.js';
import { Problems } from '../http/problems.decorator.js';
import { RequestSignal } from '../http/request-signal.js';
import { FromRequester } from '../http/requester.js';
import {
  CheckVerificationDto,
  OpenVerificationDto,
  ResendVerificationDto,
  SessionDto,
  VerificationDto,
} from './verification.dto.js';
import { asVerificationId, asWaitSeconds, LONGEST_WAIT_SECONDS } from './verification-parameters.js';

@ApiTags('Verifications')
@Controller('v1/verifications')
export class VerificationsController {
  constructor(
    private readonly auth: AuthService,
    private readonly watch: VerificationWatch,
    private readonly channels: ChannelParser,
    private readonly phoneNumbers: PhoneNumberParser,
  ) {}

  /**
   * Sends a code to a phone number.
   *
   * The answer is always 202 with this body, so it does not reveal whether the number has an account.
   */
  @Public()
  @Problems('proof_of_work_required', 'phone_number_not_allowed', 'rate_limited', 'sends_suspended')
  @ApiAcceptedResponse({
    type: VerificationDto,
    headers: { Location: LOCATION_HEADER, ETag: ETAG_HEADER },
  })
  @CreatesAt<VerificationDto>(({ id }) => `/v1/verifications/${id}`)
  @EntityTag()
  @Post()
  @HttpCode(202)
  async open(
    @Body() { phone_number, channel, locale, name }: OpenVerificationDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @FromRequester() requester: Requester,
  ): Promise<VerificationDto> {
    const phoneNumber = this.phoneNumbers.parse(phone_number);
    const request = { phoneNumber, channel: this.channels.parse(channel), locale, name, acceptLanguage };
    return VerificationDto.of(await this.auth.requestCode(request, requester));
  }

  /**
   * Returns the state of the verification and of its newest message.
   *
   * With `wait` the answer is delayed until the state changes, or until this many seconds have passed. Send the `ETag`
   * of an earlier answer as `If-None-Match` to get an answer at once if the state has changed since, and 304 if it has
   * not changed by the end of the wait.
   */
  @Public()
  @Problems('invalid_request', 'not_found')
  @ApiOkResponse({ type: VerificationDto, headers: { ETag: ETAG_HEADER } })
  @ApiQuery({
    name: 'wait',
    required: false,
    schema: { type: 'integer', minimum: 0, maximum: LONGEST_WAIT_SECONDS },
  })
  @ConditionalGet()
  @Get(':id')
  async read(
    @Param('id', asVerificationId) id: VerificationId,
    @Query('wait', asWaitSeconds) waitSeconds: number,
    @Headers('if-none-match') known: string | undefined,
    @RequestSignal() signal: AbortSignal,
  ): Promise<VerificationDto> {
    const found = await this.auth.verification(id);
    const body = VerificationDto.of(found);
    const isNews = known !== undefined && known !== entityTagOf(body);
    if (isNews || waitSeconds === 0 || found.status !== 'pending') return body;
    return VerificationDto.of(await this.watch.change(found, waitSeconds * 1_000, signal));
  }

  /** Sends the same code again. Allowed from `resend_at` on. */
  @Public()
  @Problems(
    'proof_of_work_required',
    'not_found',
    'verification_closed',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @ApiAcceptedResponse({ type: VerificationDto, headers: { ETag: ETAG_HEADER } })
  @EntityTag()
  @Post(':id/resend')
  @HttpCode(202)
  async resend(
    @Param('id', asVerificationId) id: VerificationId,
    @Body() body: ResendVerificationDto,
    @FromRequester() requester: Requester,
  ): Promise<VerificationDto> {
    const channel = body.channel ? this.channels.parse(body.channel) : null;
    return VerificationDto.of(await this.auth.resendCode(id, requester, channel));
  }

  /** Verifies the code and creates a session. A code works once. */
  @Public()
  @Problems('code_rejected', 'not_found', 'verification_closed', 'rate_limited')
  @ApiOkResponse({ type: SessionDto })
  @AnswersSessionAs(SessionDto)
  @Post(':id/check')
  @HttpCode(200)
  check(
    @Param('id', asVerificationId) id: VerificationId,
    @Body() { code, name }: CheckVerificationDto,
    @FromRequester() requester: Requester,
  ): Promise<Session> {
    return this.auth.signIn(id, code, requester, name);
  }

  /** Cancels the verification. Its code can no longer be used. */
  @Public()
  @Problems('not_found', 'verification_closed')
  @Delete(':id')
  @HttpCode(204)
  cancel(@Param('id', asVerificationId) id: VerificationId): Promise<void> {
    return this.auth.cancel(id);
  }
}
