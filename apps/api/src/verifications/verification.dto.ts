import { IsIn, IsOptional, Matches } from 'class-validator';
import type { Delivery, Session, Verification } from '#auth';
import { CHANNELS, type Channel } from '#messaging';
import { IsText } from '../http/validation.js';
import { UserDto } from '../sign-up/user.dto.js';

export class OpenVerificationDto {
  /**
   * With `+` and the country code; or as it is dialled in the server's `DEFAULT_REGION`, where one is set.
   * @example "+14155550100"
   */
  @IsText({ max: 64 })
  phone_number: string;

  /**
   * How the code travels, out of the channels that this server carries.
   * @example "sms"
   */
  @IsOptional()
  @IsIn(CHANNELS, { message: `must be one of ${CHANNELS.join(', ')}` })
  channel?: Channel | null;

  /**
   * The language of the message (BCP 47). Otherwise `Accept-Language` says it, or the country of the number.
   * @example "en"
   */
  @IsOptional()
  @Matches(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/, {
    message: 'must be a language tag, such as en or pt-BR',
  })
  locale?: string | null;

  /**
   * What the person is called. Used when this sign-in makes the account.
   * @example "Ada"
   */
  @IsOptional()
  @IsText({ max: 100 })
  name?: string | null;

  /**
   * The `device_token` of an earlier sign-in on this number; the cookie `latchkey_device` does as well. A device that
   * is known waits for no stranger's guesses and messages.
   */
  @IsOptional()
  @IsText({ max: 512 })
  device_token?: string | null;

  /** The solution of the `challenge` that came with `proof_of_work_required`. */
  @IsOptional()
  @IsText({ max: 4_096 })
  altcha?: string | null;
}

export class ResendVerificationDto {
  /**
   * How the code travels this time. Otherwise as the last time.
   * @example "sms"
   */
  @IsOptional()
  @IsIn(CHANNELS, { message: `must be one of ${CHANNELS.join(', ')}` })
  channel?: Channel | null;

  /** The `device_token` of an earlier sign-in on this number, unless it is in the cookie. */
  @IsOptional()
  @IsText({ max: 512 })
  device_token?: string | null;

  /** The solution of the `challenge` that came with `proof_of_work_required`. */
  @IsOptional()
  @IsText({ max: 4_096 })
  altcha?: string | null;
}

export class CheckVerificationDto {
  /**
   * The code from the message. Spaces, hyphens and case do not matter.
   * @example "123456"
   */
  @IsText({ max: 32 })
  code: string;

  /**
   * What the person is called. Used when this sign-in makes the account.
   * @example "Ada"
   */
  @IsOptional()
  @IsText({ max: 100 })
  name?: string | null;

  /** The `device_token` of an earlier sign-in on this number, unless it is in the cookie. */
  @IsOptional()
  @IsText({ max: 512 })
  device_token?: string | null;
}

export class DeliveryDto {
  /**
   * How far the newest message got. `sent`: the provider has it. `undelivered` and `failed`: it did not arrive, and
   * nothing more is tried.
   */
  status: 'queued' | 'sent' | 'delivered' | 'undelivered' | 'failed';

  /**
   * Why it did not arrive. `invalid_number`: it is mistyped, or cannot get such messages. `unreachable`: the phone is
   * off, or away. `blocked`: the carrier, or the person, wants no such messages. `provider`: the fault is on this side.
   */
  reason: 'invalid_number' | 'unreachable' | 'blocked' | 'provider' | null;

  updated_at: Date;

  static of({ status, reason, updatedAt }: Delivery): DeliveryDto {
    return {
      // What a provider has taken is on its way, whether or not it says more.
      status: status === 'accepted' ? 'sent' : status,
      reason: reason as DeliveryDto['reason'],
      updated_at: updatedAt,
    };
  }
}

export class VerificationDto {
  /**
   * Names the verification and gives access to it: keep it on the device that asked.
   * @example "q0b7ZnG2S1mXw9cY4rT5uA"
   */
  id: string;

  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /** @example "+14155550100" */
  phone_number: string;

  /**
   * How the newest message travels.
   * @example "sms"
   */
  channel: string;

  /**
   * Digits; a code of 10 is letters and digits. Longer than usual while somebody guesses at the number.
   * @example 6
   */
  code_length: number;

  /** @example 5 */
  attempts_left: number;

  created_at: Date;

  expires_at: Date;

  /** When the code can be asked for once more. */
  resend_at: Date;

  delivery: DeliveryDto;

  static of(verification: Verification): VerificationDto {
    return {
      id: verification.id,
      status: verification.status,
      phone_number: verification.phoneNumber,
      channel: verification.channel,
      code_length: verification.codeLength,
      attempts_left: verification.attemptsLeft,
      created_at: verification.createdAt,
      expires_at: verification.expiresAt,
      resend_at: verification.resendAt,
      delivery: DeliveryDto.of(verification.delivery),
    };
  }
}

export class SessionDto {
  /**
   * The bearer token, told only now.
   * @example "7CJ5KQ2N3XW4EYAV6DZTLM5RUI"
   */
  token: string;

  token_type: 'Bearer';

  expires_at: Date;

  /** Whether this sign-in made the account. */
  is_new_user: boolean;

  /**
   * Keep it on the device and give it back with its next sign-in on this number. Browsers get it as a cookie too.
   * @example "pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605"
   */
  device_token: string;

  user: UserDto;

  static of({ token, expiresAt, isNewUser, deviceToken, user }: Session): SessionDto {
    return {
      token,
      token_type: 'Bearer',
      expires_at: expiresAt,
      is_new_user: isNewUser,
      device_token: deviceToken,
      user: UserDto.of(user),
    };
  }
}
