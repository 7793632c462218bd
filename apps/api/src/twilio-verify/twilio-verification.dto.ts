import { hash } from 'node:crypto';
import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import type { Verification } from '#otp';
import { sidOf } from './twilio-sid.js';

/** The parts of a request that its answer repeats. */
export interface TwilioPlace {
  readonly service: string;
  /** The id of the client, in the place of Twilio's account. */
  readonly account: string;
  readonly publicUrl: string;
}

@ApiSchema({ description: 'A message of a verification, in the form of Twilio Verify.' })
export class SendCodeAttemptDto {
  /**
   * Identifies the message.
   * @example "VL00112233445566778899aabbccddeeff"
   */
  attempt_sid: string;

  /**
   * The channel of the message.
   * @example "sms"
   */
  channel: string;

  /**
   * When the verification was created.
   * @example "2026-11-25T10:00:00Z"
   */
  time: string;
}

/** The members that both answers have. */
class VerificationBaseDto {
  /**
   * The SID of the verification: its `id` as hexadecimal digits.
   * @example "VE00112233445566778899aabbccddeeff"
   */
  sid: string;

  /**
   * The SID of the service in the path. Every service is accepted.
   * @example "VA00112233445566778899aabbccddeeff"
   */
  service_sid: string;

  /**
   * The id of the client.
   * @example "shop"
   */
  account_sid: string;

  /**
   * The phone number in E.164 form.
   * @example "+14155550100"
   */
  to: string;

  /**
   * The channel of the newest message.
   * @example "sms"
   */
  channel: string;

  /**
   * The state of the verification.
   * @example "pending"
   */
  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /** True if the code was right. */
  valid: boolean;

  /** Always null. */
  @ApiProperty({ type: 'null' })
  amount: null;

  /** Always null. */
  @ApiProperty({ type: 'null' })
  payee: null;

  /**
   * When the code was requested.
   * @example "2026-11-25T10:00:00Z"
   */
  date_created: string;

  /**
   * When the delivery last changed.
   * @example "2026-11-25T10:00:02Z"
   */
  date_updated: string;
}

@ApiSchema({ description: 'A verification, in the form of Twilio Verify.' })
export class TwilioVerificationDto extends VerificationBaseDto {
  /** Always empty. */
  @ApiProperty({ type: 'object', properties: {}, example: {} })
  lookup: object;

  /** The newest message. */
  send_code_attempts: SendCodeAttemptDto[];

  /** Always null. */
  @ApiProperty({ type: 'null' })
  sna: null;

  /**
   * The address of the verification.
   * @example "https://id.example.com/v2/Services/VA00112233445566778899aabbccddeeff/Verifications/VE00112233445566778899aabbccddeeff"
   */
  url: string;

  static of(verification: Verification, place: TwilioPlace): TwilioVerificationDto {
    const base = baseOf(verification, place);
    const { id, messageCount, route, createdAt } = verification;
    const digest = hash('sha256', `${id}.${messageCount}`, 'hex');
    const attempt = {
      attempt_sid: `VL${digest.slice(0, 32)}`,
      channel: route.channel,
      time: timeOf(createdAt),
    };
    const service = encodeURIComponent(place.service);
    const url = `${place.publicUrl}/v2/Services/${service}/Verifications/${base.sid}`;
    return { ...base, lookup: {}, send_code_attempts: [attempt], sna: null, url };
  }
}

@ApiSchema({ description: 'The check of a code, in the form of Twilio Verify.' })
export class TwilioVerificationCheckDto extends VerificationBaseDto {
  /** Always empty. */
  @ApiProperty({ type: 'array', items: { type: 'string' }, example: [] })
  sna_attempts_error_codes: string[];

  /** @param isRight a wrong code leaves the verification pending. */
  static of(verification: Verification, isRight: boolean, place: TwilioPlace): TwilioVerificationCheckDto {
    const status = isRight ? 'approved' : 'pending';
    return { ...baseOf(verification, place), status, valid: isRight, sna_attempts_error_codes: [] };
  }
}

@ApiSchema({ description: 'An error of Twilio Verify.' })
export class TwilioErrorDto {
  /**
   * The code of Twilio's error.
   * @example 60200
   */
  code: number;

  /**
   * The cause, for developers.
   * @example "Invalid parameter: the phone number is not valid: must be an international phone number, such as +14155550100"
   */
  message: string;

  /**
   * A page about the problem.
   * @example "https://id.example.com/problems/invalid_request"
   */
  more_info: string;

  /**
   * The status of the answer.
   * @example 400
   */
  status: number;
}

function baseOf(verification: Verification, { service, account }: TwilioPlace): VerificationBaseDto {
  return {
    sid: sidOf(verification.id),
    service_sid: service,
    account_sid: account,
    to: verification.phoneNumber,
    channel: verification.route.channel,
    status: verification.status,
    valid: verification.status === 'approved',
    amount: null,
    payee: null,
    date_created: timeOf(verification.createdAt),
    date_updated: timeOf(verification.delivery.updatedAt),
  };
}

/** Twilio's times have whole seconds. */
function timeOf(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
