import { Body, Controller, Get, Headers, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AuthService, CurrentUser, Public, type Session, type User } from '#auth';
import { Channels } from '../http/channels.js';
import { PhoneNumbers } from '../http/phone-numbers.js';
import { Problems } from '../http/problems.decorator.js';
import { DeviceCookie, requesterOf } from '../http/requester.js';
import { ProtectedDto } from './protected.dto.js';
import { CodeSentDto, SignedUpDto, SignUpDto } from './sign-up.dto.js';
import { UserDto } from './user.dto.js';

/** In the order in which a person tries them out. */
const EXAMPLES = {
  'ask for a code': { value: { phone_number: '+14155550100', name: 'Ada' } },
  'trade it for a token': { value: { phone_number: '+14155550100', otp: '123456' } },
};

@ApiTags('Sign-up')
@Controller()
export class SignUpController {
  constructor(
    private readonly auth: AuthService,
    private readonly channels: Channels,
    private readonly phoneNumbers: PhoneNumbers,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  /**
   * Sign-up and verification in one.
   *
   * Without `otp` a code goes out. With `otp` the right code is traded for a token, and a number that is new here
   * gets an account. The answer to the first half is the same for every number, known or not.
   */
  @Public()
  @ApiBody({ type: SignUpDto, examples: EXAMPLES })
  @ApiExtraModels(CodeSentDto, SignedUpDto)
  @ApiOkResponse({
    description: 'A code is on its way; or, with `otp`, the person is signed in.',
    schema: { anyOf: [{ $ref: getSchemaPath(CodeSentDto) }, { $ref: getSchemaPath(SignedUpDto) }] },
  })
  @Problems(
    'invalid_request',
    'code_rejected',
    'proof_of_work_required',
    'payload_too_large',
    'unsupported_media_type',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @Post('signup')
  @HttpCode(200)
  async signUp(
    @Body() body: SignUpDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CodeSentDto | SignedUpDto> {
    const { phone_number, name, otp } = body;
    const phoneNumber = this.phoneNumbers.read(phone_number);
    const requester = requesterOf(request, body);
    if (otp) {
      const session = await this.auth.signUp(phoneNumber, otp, requester, name);
      this.deviceCookie.set(reply, session.deviceToken);
      return signedUp(session);
    }
    const channel = this.channels.read();
    await this.auth.requestSignUpCode({ phoneNumber, name, channel, acceptLanguage }, requester);
    return { success: true, message: 'OTP sent successfully' };
  }

  /** The smallest protected route, for trying a token out. */
  @ApiBearerAuth()
  @Problems('unauthenticated')
  @Get('protected')
  readProtected(@CurrentUser() user: User): ProtectedDto {
    return { message: 'You are signed in', user: UserDto.of(user) };
  }
}

function signedUp({ user, token, expiresAt }: Session): SignedUpDto {
  const message = 'User registered successfully';
  return { success: true, message, data: UserDto.of(user), token, expires_at: expiresAt };
}
