import { PickType } from '@nestjs/swagger';
import type { Session } from '#auth';
import { RequestFields } from '../http/request-fields.dto.js';
import { UserDto } from './user.dto.js';

export class SignUpDto extends PickType(RequestFields, [
  'phone_number',
  'name',
  'otp',
  'device_token',
  'altcha',
]) {}

export class CodeSentDto {
  success: true;

  /** @example "OTP sent successfully" */
  message: string;
}

export class SignedUpDto {
  success: true;

  /** @example "User registered successfully" */
  message: string;

  data: UserDto;

  /**
   * The bearer token. It cannot be read again later.
   * @example "7CJ5KQ2N3XW4EYAV6DZTLM5RUI"
   */
  token: string;

  expires_at: Date;

  static of({ user, token, expiresAt }: Session): SignedUpDto {
    const message = 'User registered successfully';
    return { success: true, message, data: UserDto.of(user), token, expires_at: expiresAt };
  }
}
