import { IsOptional } from 'class-validator';
import { IsText } from '../http/validation.js';
import { UserDto } from './user.dto.js';

export class SignUpDto {
  /**
   * With `+` and the country code; or as it is dialled in the server's `DEFAULT_REGION`, where one is set.
   * @example "+14155550100"
   */
  @IsText({ max: 64 })
  phone_number: string;

  /**
   * What the person is called. Used when this sign-up makes the account.
   * @example "Ada"
   */
  @IsOptional()
  @IsText({ max: 100 })
  name?: string | null;

  /**
   * The code from the message. Leave it out to be sent one.
   * @example "123456"
   */
  @IsOptional()
  @IsText({ max: 32 })
  otp?: string | null;
}

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
   * The bearer token, told only now.
   * @example "7CJ5KQ2N3XW4EYAV6DZTLM5RUI"
   */
  token: string;

  expires_at: Date;
}
