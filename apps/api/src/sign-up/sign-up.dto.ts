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

  /**
   * The `device_token` of an earlier sign-in on this number; the cookie `latchkey_device`, which comes with every
   * sign-in, does as well.
   */
  @IsOptional()
  @IsText({ max: 512 })
  device_token?: string | null;

  /** The solution of the `challenge` that came with `proof_of_work_required`. */
  @IsOptional()
  @IsText({ max: 4_096 })
  altcha?: string | null;
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
