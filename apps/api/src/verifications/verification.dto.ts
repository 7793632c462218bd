import { ApiProperty, ApiSchema, OmitType, PickType } from '@nestjs/swagger';
import type { VerifiedNumber } from '#auth';
import type { Delivery, Verification } from '#otp';
import { RequestFields } from '../http/request-fields.dto.js';

@ApiSchema({ description: 'A request for a code.' })
export class OpenVerificationDto extends PickType(RequestFields, [
  'phone_number',
  'channel',
  'locale',
  'app_hash',
  'name',
  'device_token',
  'altcha',
  'purpose',
  'client_address',
]) {}

@ApiSchema({ description: 'A request to move the account to another phone number.' })
export class ChangePhoneNumberDto extends OmitType(OpenVerificationDto, [
  'name',
  'purpose',
  'client_address',
]) {}

@ApiSchema({ description: 'A request to send the code again.' })
export class ResendVerificationDto extends PickType(RequestFields, [
  'channel',
  'device_token',
  'altcha',
  'client_address',
]) {}

@ApiSchema({ description: 'The code, to sign in or to verify the number with.' })
export class CheckVerificationDto extends PickType(RequestFields, [
  'code',
  'name',
  'device_token',
  'client_address',
]) {}

@ApiSchema({ description: 'Delivery of the newest message.' })
export class DeliveryDto {
  /**
   * State of the newest message. `sent`: the provider accepted it. `undelivered` and `failed`: it did not arrive and is
   * not retried.
   */
  status: 'queued' | 'sent' | 'delivered' | 'undelivered' | 'failed';

  /**
   * Why the message did not arrive. `invalid_number`: the number does not exist, or cannot receive such messages.
   * `unreachable`: the phone is off or out of coverage. `blocked`: the carrier or the recipient blocks such messages.
   * `provider`: an error of the provider, or of this server's account there.
   */
  @ApiProperty({ example: null })
  reason: 'invalid_number' | 'unreachable' | 'blocked' | 'provider' | null;

  /**
   * When the delivery state last changed.
   * @example "2026-11-25T10:00:02.000Z"
   */
  updated_at: Date;

  static of({ status, reason, updatedAt }: Delivery): DeliveryDto {
    return {
      // Some providers send no report after they accept a message.
      status: status === 'accepted' ? 'sent' : status,
      reason: reason as DeliveryDto['reason'],
      updated_at: updatedAt,
    };
  }
}

@ApiSchema({ description: 'A phone number that is being verified.' })
export class VerificationDto {
  /**
   * Identifies the verification and gives access to it. Keep it on the device that requested the code.
   * @example "q0b7ZnG2S1mXw9cY4rT5uA"
   */
  id: string;

  /** `pending`: the code can be checked. Every other state is final. */
  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /**
   * The phone number in E.164 form.
   * @example "+14155550100"
   */
  phone_number: string;

  /**
   * Channel of the newest message.
   * @example "sms"
   */
  channel: string;

  /**
   * Number of digits. A code of 10 characters has letters and digits. Codes are longer while the number is under attack.
   * @example 6
   */
  code_length: number;

  /**
   * Remaining attempts to enter the code.
   * @example 5
   */
  attempts_left: number;

  /**
   * When the code was requested.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;

  /**
   * When the code expires.
   * @example "2026-11-25T10:05:00.000Z"
   */
  expires_at: Date;

  /**
   * When the code can be requested again.
   * @example "2026-11-25T10:00:30.000Z"
   */
  resend_at: Date;

  /** Delivery of the newest message. */
  delivery: DeliveryDto;

  static of(verification: Verification): VerificationDto {
    return {
      id: verification.id,
      status: verification.status,
      phone_number: verification.phoneNumber,
      channel: verification.route.channel,
      code_length: verification.codeLength,
      attempts_left: verification.attemptsLeft,
      created_at: verification.createdAt,
      expires_at: verification.expiresAt,
      resend_at: verification.resendAt,
      delivery: DeliveryDto.of(verification.delivery),
    };
  }
}

@ApiSchema({ description: 'A number that was verified for a client, without an account.' })
export class VerifiedNumberDto {
  /**
   * The `id` of the verification.
   * @example "q0b7ZnG2S1mXw9cY4rT5uA"
   */
  id: string;

  /** Always `approved`. */
  status: 'approved';

  /**
   * The phone number in E.164 form.
   * @example "+14155550100"
   */
  phone_number: string;

  /**
   * When the right code was given.
   * @example "2026-11-25T10:00:20.000Z"
   */
  verified_at: Date;

  /**
   * A JWT that proves this to others, for five minutes: signed by ES256 with a key of `/.well-known/jwks.json`. `typ` is
   * `verification+jwt`, `aud` the id of the client, `sub` the number and `jti` the `id` of the verification.
   * @example "eyJhbGciOiJFUzI1NiIsInR5cCI6InZlcmlmaWNhdGlvbitqd3QifQ.e30.c2ln"
   */
  proof: string;

  static of({ verificationId, phoneNumber, verifiedAt, proof }: VerifiedNumber): VerifiedNumberDto {
    return {
      id: verificationId,
      status: 'approved',
      phone_number: phoneNumber,
      verified_at: verifiedAt,
      proof,
    };
  }
}
