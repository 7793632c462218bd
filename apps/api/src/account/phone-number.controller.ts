import { Controller, Headers, HttpCode, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiBody, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Requester } from '#abuse';
import { type Bearer, CurrentBearer, NumberChangeService } from '#auth';
import { IdempotencyService, type IdempotentRequest } from '#idempotency';
import { Answers, LOCATION_HEADER } from '../http/answers.js';
import { CodeRequestParser } from '../http/code-request-parser.js';
import { ETAG_HEADER } from '../http/entity-tag.js';
import { AcceptsIdempotencyKey, Idempotent } from '../http/idempotency.js';
import { Problems } from '../http/problems.decorator.js';
import { FromRequester } from '../http/requester.js';
import { ValidBody } from '../http/validation.js';
import { ChangePhoneNumberDto, VerificationDto } from '../verifications/verification.dto.js';

const EXAMPLES = { number: { summary: 'Another number', value: { phone_number: '+14155550111' } } };

@ApiTags('Signed in')
@ApiBearerAuth()
@Controller('v1/me/phone_number')
export class PhoneNumberController {
  constructor(
    private readonly changes: NumberChangeService,
    private readonly requests: CodeRequestParser,
    private readonly idempotency: IdempotencyService,
    private readonly answers: Answers,
  ) {}

  /**
   * Sends a code to another phone number, to move the account of the signed-in user there.
   *
   * Check the code at `/v1/verifications/{id}/check`, with the same session. The answer is always 202 with this body, so it does
   * not reveal whether the number has an account. The session must have begun within the last ten minutes, or the request must have
   * the `device_token` of a device that has signed in on the account's number. An account can change its number three times a day.
   */
  @ApiBody({ type: ChangePhoneNumberDto, examples: EXAMPLES })
  @Problems(
    'unauthenticated',
    'insufficient_scope',
    'cross_site_request',
    'recent_sign_in_required',
    'proof_of_work_required',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @ApiAcceptedResponse({
    type: VerificationDto,
    description: 'The code is being sent.',
    headers: { Location: LOCATION_HEADER, ETag: ETAG_HEADER },
  })
  @AcceptsIdempotencyKey()
  @Post()
  @HttpCode(202)
  async changePhoneNumber(
    @CurrentBearer() bearer: Bearer,
    @ValidBody() body: ChangePhoneNumberDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @FromRequester() requester: Requester,
    @Idempotent() idempotent: IdempotentRequest | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const request = this.requests.parse(body, acceptLanguage, bearer.user.locale);
    const opened = await this.idempotency.once(idempotent, async () =>
      VerificationDto.of(await this.changes.request(bearer, request, requester)),
    );
    return this.answers.created(reply, `/v1/verifications/${opened.id}`, opened);
  }
}
