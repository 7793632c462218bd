import { Controller, Headers, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Requester } from '#abuse';
import { SessionOptional, SignUpService } from '#auth';
import { IdempotencyService, type IdempotentRequest } from '#idempotency';
import { LocaleChoice } from '#messaging';
import { AppHashParser } from '../http/app-hash-parser.js';
import { ChannelParser } from '../http/channel-parser.js';
import { AcceptsIdempotencyKey, Idempotent } from '../http/idempotency.js';
import { PhoneNumberParser } from '../http/phone-number-parser.js';
import { Problems } from '../http/problems.decorator.js';
import { FromRequester } from '../http/requester.js';
import { ValidBody } from '../http/validation.js';
import { CodeSentDto, SignedUpDto, SignUpDto } from './sign-up.dto.js';
import { SignUpAnswers } from './sign-up-answers.js';

/** In the order in which a reader tries them. */
const EXAMPLES = {
  request_code: { summary: 'Request a code', value: { phone_number: '+14155550100', name: 'Ada' } },
  sign_in: { summary: 'Verify the code', value: { phone_number: '+14155550100', otp: '407918' } },
};

@Controller()
export class SignUpController {
  constructor(
    private readonly signUps: SignUpService,
    private readonly answers: SignUpAnswers,
    private readonly channels: ChannelParser,
    private readonly appHashes: AppHashParser,
    private readonly phoneNumbers: PhoneNumberParser,
    private readonly locales: LocaleChoice,
    private readonly idempotency: IdempotencyService,
  ) {}

  /**
   * Sends a code, or verifies it and signs in.
   *
   * Without `otp` a code is sent. The answer is the same for every number, so it does not reveal whether the number has
   * an account. With `otp` the code is verified and a session is created. A new number gets an account.
   *
   * Attempts and the name belong to the client that requested the code. It is recognised by the cookie `latchkey_signup`,
   * or by its address. The name of the request with the code takes precedence.
   */
  @ApiTags('Sign-up')
  @SessionOptional()
  @ApiBody({ type: SignUpDto, examples: EXAMPLES })
  @ApiExtraModels(CodeSentDto, SignedUpDto)
  @ApiOkResponse({
    description: 'The code was sent or, with `otp`, the user is signed in.',
    schema: { anyOf: [{ $ref: getSchemaPath(CodeSentDto) }, { $ref: getSchemaPath(SignedUpDto) }] },
  })
  @Problems(
    'code_rejected',
    'invalid_token',
    'number_recycled',
    'proof_of_work_required',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @AcceptsIdempotencyKey()
  @Post('signup')
  @HttpCode(200)
  async signUp(
    @ValidBody() { phone_number, name, app_hash, otp, locale: chosen }: SignUpDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @FromRequester() requester: Requester,
    @Idempotent() idempotent: IdempotentRequest | null,
    @Req() httpRequest: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CodeSentDto | SignedUpDto> {
    const phoneNumber = this.phoneNumbers.parse(phone_number);
    const appHash = this.appHashes.parse(app_hash || null);
    if (otp) {
      const signUp = () => this.signUps.signUp(phoneNumber, otp, requester, name);
      return this.answers.signedUp(httpRequest, reply, await this.idempotency.once(idempotent, signUp));
    }
    const channel = this.channels.parse(phoneNumber);
    const locale = this.locales.for(phoneNumber, chosen, acceptLanguage);
    const { token } = await this.idempotency.once(idempotent, async () => ({
      token: await this.signUps.requestCode({ phoneNumber, name, channel, locale, appHash }, requester),
    }));
    return this.answers.codeSent(httpRequest, reply, token);
  }
}
