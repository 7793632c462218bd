import { ApiProperty, ApiSchema, PickType } from '@nestjs/swagger';
import { RequestFields } from '../http/request-fields.dto.js';
import { BlockDto } from './blocks.dto.js';

@ApiSchema({ description: 'A number to look up.' })
export class LookUpNumberDto extends PickType(RequestFields, ['phone_number']) {}

@ApiSchema({ description: 'The account of a number.' })
export class NumberAccountDto {
  /**
   * Identifies the user: a UUIDv7.
   * @example "01890a5d-ac96-774b-bcce-b302099a8057"
   */
  id: string;

  /** When it was created. */
  created_at: Date;
}

@ApiSchema({ description: 'Delivery of a message.' })
export class NumberDeliveryDto {
  /**
   * Channel of the message.
   * @example "sms"
   */
  channel: string;

  /**
   * Message provider.
   * @example "twilio"
   */
  provider: string;

  /** `accepted`: the provider has the message and will report further states. `sent`: it may report nothing more. */
  status: 'queued' | 'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed';

  /**
   * Why the message did not arrive.
   * @example "unreachable"
   */
  reason: string | null;

  /**
   * The provider's id of the message, to search for in its console.
   * @example "SM00000000000000000000000000000001"
   */
  provider_id: string | null;

  /** True if the code fell back to this route. */
  fell_back: boolean;

  /** True if the message was sent once more by the same route. */
  retried: boolean;

  /** When the message was requested. */
  requested_at: Date;

  /** When the delivery state last changed. */
  updated_at: Date;
}

@ApiSchema({ description: 'A verification of the number.' })
export class NumberVerificationDto {
  /**
   * The first eight characters of the verification's id. Log lines have them as `verification`. They give no access to it.
   * @example "q0b7ZnG2"
   */
  reference: string;

  /** `sign_up`: requested by `POST /signup`. */
  purpose: 'sign_up' | 'sign_in' | 'change_number' | 'verify';

  /** `pending`: the verification is open. */
  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /** True if a device requested it that had signed in on this number before. */
  known_device: boolean;

  /**
   * Messages so far, with resends, retries and fallbacks.
   * @example 1
   */
  messages: number;

  /**
   * Of several clients of a sign-up, the one with the fewest.
   * @example 5
   */
  attempts_left: number;

  /**
   * Number of characters of the code.
   * @example 6
   */
  code_length: number;

  /** When it was created. */
  created_at: Date;

  /** When the code expires. */
  expires_at: Date;

  /** When the code can be requested again. */
  resend_at: Date;

  /** The delivery of the newest message. */
  delivery: NumberDeliveryDto;
}

@ApiSchema({ description: 'A limit of the number.' })
export class NumberLimitDto {
  /** Name of the limit. */
  name: 'cool_down' | 'sends_per_number';

  /** Known devices have limits of their own. */
  devices: 'unknown' | 'known';

  /**
   * Messages that count against the limit.
   * @example 1
   */
  used: number;

  /**
   * Messages that the limit allows.
   * @example 5
   */
  points: number;

  /** True: no message is sent before `resets_at`. */
  reached: boolean;

  /** When the limit resets. */
  resets_at: Date;

  /** False: the limit only records what it would refuse (`LIMIT_MODE`). */
  enforced: boolean;
}

@ApiSchema({ description: 'The guess policy of the number.' })
export class NumberGuessingDto {
  /**
   * Length of the next code of an unknown device. Longer than usual while the number or its country is under attack.
   * @example 6
   */
  code_length: number;

  /**
   * Guesses of the last year that count against the number.
   * @example 0
   */
  guesses: number;

  /** Unknown devices have to wait until then before their next guess. */
  wait_until: Date | null;

  /** False: waits are only recorded (`LIMIT_MODE`). */
  enforced: boolean;
}

@ApiSchema({ description: 'A route by which the number could not be reached.' })
export class BadRouteDto {
  /**
   * Channel of the message.
   * @example "sms"
   */
  channel: string;

  /**
   * Message provider.
   * @example "twilio"
   */
  provider: string;

  /**
   * Why the number could not be reached.
   * @example "invalid_number"
   */
  reason: string;

  /**
   * The provider's error code.
   * @example "21614"
   */
  code: string;

  /** When the route is used again. */
  until: Date;
}

@ApiSchema({ description: 'A channel and its provider.' })
export class NumberRouteDto {
  /**
   * Channel of the message.
   * @example "sms"
   */
  channel: string;

  /**
   * Message provider.
   * @example "twilio"
   */
  provider: string;
}

@ApiSchema({ description: 'Spending and its cap.' })
export class SpentDto {
  /**
   * Amount spent, in the currency of the price table.
   * @example 1.25
   */
  @ApiProperty({ format: 'double' })
  spent: number;

  /**
   * The most that may be spent.
   * @example 50
   */
  @ApiProperty({ format: 'double' })
  cap: number;
}

@ApiSchema({ description: 'Spending of the day.' })
export class NumberSpendingDto {
  /**
   * The day (UTC) that the amounts are of.
   * @example "2027-01-31"
   */
  day: string;

  /** On messages to the country of the number. */
  country: SpentDto;

  /** On all messages. */
  total: SpentDto;

  /** Routes whose provider refused the country within the last minutes. */
  not_served_by: NumberRouteDto[];
}

@ApiSchema({ description: 'State of a phone number.' })
export class NumberReportDto {
  /**
   * The number as it was read.
   * @example "+14155550100"
   */
  phone_number: string;

  /**
   * The keyed hash of the number. Log lines about it have it as `number_hash`.
   * @example "Zk3b1oV5b0m0f0T5a9cQ7xJ2yL8nR4sW6uE1iH3gD0A"
   */
  number_hash: string;

  /**
   * Country of the number.
   * @example "US"
   */
  country: string;

  /** `fixed`: receives calls only. `other`: premium-rate and special numbers, which get no messages. */
  line: 'mobile' | 'fixed' | 'other';

  /** False: `ALLOWED_COUNTRIES` excludes the country. */
  country_allowed: boolean;

  /** True: the number gets no messages, and its code is configured. */
  test_number: boolean;

  /** The account with this number. */
  user: NumberAccountDto | null;

  /** The newest 20 that are kept, newest first. They are kept until one hour after their code expired. */
  verifications: NumberVerificationDto[];

  /** The limits of the number that are in use. */
  limits: NumberLimitDto[];

  /** The guess policy of the number. */
  guessing: NumberGuessingDto;

  /** True: unknown devices need a proof of work for their next message, because earlier ones led to no sign-in. */
  contested: boolean;

  /** False: `contested` and `blocks` are only recorded (`BREAKER_MODE`). */
  breaker_enforced: boolean;

  /** Blocks of the number's ranges and country, and of all messages. */
  blocks: BlockDto[];

  /** Routes by which the number gets no messages of unknown devices, because it could not be reached. */
  bad_routes: BadRouteDto[];

  /** Spending of the day. */
  spending: NumberSpendingDto;
}
