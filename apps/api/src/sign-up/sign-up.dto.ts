import { ApiSchema, PickType } from '@nestjs/swagger';
import type { Session } from '#auth';
import { RequestFields } from '../http/request-fields.dto.js';
import { EmptyIsAbsent } from '../http/validation.js';
import { SignUpUserDto, type SignUpUsers } from './sign-up-user.dto.js';

@ApiSchema({
  description: 'A request for a code, or with `otp` a sign-in. An empty `otp` or `name` counts as absent.',
})
@EmptyIsAbsent('otp', 'name')
export class SignUpDto extends PickType(RequestFields, [
  'phone_number',
  'name',
  'app_hash',
  'locale',
  'otp',
  'device_token',
  'altcha',
]) {}

@ApiSchema({ description: 'The answer to a request for a code.' })
export class CodeSentDto {
  /** Always true. */
  success: true;

  /**
   * A sentence for people.
   * @example "OTP sent successfully"
   */
  message: string;
}

@ApiSchema({ description: 'The answer to a sign-in.' })
export class SignedUpDto {
  /** Always true. */
  success: true;

  /**
   * A sentence for people.
   * @example "User registered successfully"
   */
  message: string;

  /** The user who signed in. */
  data: SignUpUserDto;

  /**
   * The bearer token. It cannot be read again later.
   * @example "7CJ5KQ2N3XW4EYAV6DZTLM5RUI"
   */
  token: string;

  /**
   * When the token expires.
   * @example "2026-12-25T10:00:00.000Z"
   */
  expires_at: Date;

  /**
   * Exchanges the session's tokens for new ones, by `POST /v1/session/refresh`.
   * @example "MF3H5Q2N3XW4EYAV6DZTLM5RUI"
   */
  refresh_token: string;

  /**
   * When the session ends, unless it is refreshed before.
   * @example "2026-12-25T10:00:00.000Z"
   */
  refresh_expires_at: Date;

  static of(session: Session, users: SignUpUsers): SignedUpDto {
    const { user, token, expiresAt, refreshToken, refreshExpiresAt } = session;
    return {
      success: true,
      message: 'User registered successfully',
      data: users.dtoOf(user),
      token,
      expires_at: expiresAt,
      refresh_token: refreshToken,
      refresh_expires_at: refreshExpiresAt,
    };
  }
}
