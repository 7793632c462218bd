import { Body, Controller, Get, Headers, HttpCode, Post } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { Requester } from '#abuse';
import { AuthService, CurrentUser, Public, type Session } from '#auth';
import type { User } from '#users';
import { ChannelParser } from '../http/channel-parser.js';
import { AnswersSessionAs } from '../http/device-cookie.js';
import { PhoneNumberParser } from '../http/phone-number-parser.js';
import { Problems } from '../http/problems.decorator.js';
import { FromRequester } from '../http/requester.js';
import { ProtectedDto } from './protected.dto.js';
import { CodeSentDto, SignedUpDto, SignUpDto } from './sign-up.dto.js';
import { UserDto } from './user.dto.js';

/** In the order in which a reader tries them. */
const EXAMPLES = {
  'request a code': { value: { phone_number: '+14155550100', name: 'Ada' } },
  'verify the code': { value: { phone_number: '+14155550100', otp: '123456' } },
};

@ApiTags('Sign-up')
@Controller()
export class SignUpController {
  constructor(
    private readonly auth: AuthService,
    private readonly channels: ChannelParser,
    private readonly phoneNumbers: PhoneNumberParser,
  ) {}

  /**
   * Sends a code, or verifies it and signs in.
   *
   * Without `otp` a code is sent. The answer is the same for every number, so it does not reveal whether the number has
   * an account. With `otp` the code is verified and a session is created. A new number gets an account.
   */
  @Public()
  @ApiBody({ type: SignUpDto, examples: EXAMPLES })
  @ApiExtraModels(CodeSentDto, SignedUpDto)
  @ApiOkResponse({
    description: 'The code was sent or, with `otp`, the user is signed in.',
    schema: { anyOf: [{ $ref: getSchemaPath(CodeSentDto) }, { $ref: getSchemaPath(SignedUpDto) }] },
  })
  @Problems(
    'code_rejected',
    'proof_of_work_required',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @AnswersSessionAs(SignedUpDto)
  @Post('signup')
  @HttpCode(200)
  async signUp(
    @Body() { phone_number, name, otp }: SignUpDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @FromRequester() requester: Requester,
  ): Promise<CodeSentDto | Session> {
    const phoneNumber = this.phoneNumbers.parse(phone_number);
    if (otp) return this.auth.signUp(phoneNumber, otp, requester, name);
    const channel = this.channels.parse();
    await this.auth.requestSignUpCode({ phoneNumber, name, channel, acceptLanguage }, requester);
    return { success: true, message: 'OTP sent successfully' };
  }

  /** Returns the signed-in user. The smallest protected route, to try a token with. */
  @ApiBearerAuth()
  @Problems('unauthenticated')
  @Get('protected')
  readProtected(@CurrentUser() user: User): ProtectedDto {
    return { message: 'You are signed in', user: UserDto.of(user) };
  }
}
