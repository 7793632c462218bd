import { ApiSchema } from '@nestjs/swagger';
import type { AccountExport } from '#auth';
import { DeliveryDto } from '../verifications/verification.dto.js';
import { UserDto } from './user.dto.js';

@ApiSchema({ description: 'A session as stored.' })
export class ExportedSessionDto {
  /**
   * Identifies the session: a UUIDv7.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  id: string;

  /**
   * When the user signed in.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;

  /**
   * When the session was last used. Updated at most once a minute.
   * @example "2026-11-25T12:30:00.000Z"
   */
  last_used_at: Date;

  /**
   * When the session expires or expired.
   * @example "2026-12-25T10:00:00.000Z"
   */
  expires_at: Date;

  /** When the session was ended; null if it was not. */
  ended_at: Date | null;

  /**
   * Why the session was ended.
   * @example "signed_out"
   */
  end_reason: string | null;

  /**
   * IP address of the sign-in.
   * @example "203.0.113.7"
   */
  address: string | null;

  /**
   * `User-Agent` header of the sign-in.
   * @example "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
   */
  user_agent: string | null;

  /**
   * Browser and operating system, read from the user agent.
   * @example "Firefox on Linux"
   */
  label: string | null;

  /**
   * Channel that carried the code.
   * @example "sms"
   */
  method: string;
}

@ApiSchema({ description: 'A verification as stored. It is deleted about an hour after it expires.' })
export class ExportedVerificationDto {
  /** State of the verification. */
  status: 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

  /**
   * Name that was sent with the request.
   * @example "Ada"
   */
  name: string | null;

  /**
   * Language of the message (BCP 47).
   * @example "en"
   */
  locale: string | null;

  /**
   * Channel of the newest message.
   * @example "sms"
   */
  channel: string;

  /**
   * When the code was requested.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;

  /**
   * When the code expires or expired.
   * @example "2026-11-25T10:05:00.000Z"
   */
  expires_at: Date;

  /** Delivery of the newest message. */
  delivery: DeliveryDto;
}

@ApiSchema({ description: 'A security event of the user.' })
export class ExportedEventDto {
  /**
   * When it happened.
   * @example "2026-11-25T10:00:00.000Z"
   */
  at: Date;

  /**
   * The event.
   * @example "signed_in"
   */
  kind: string;

  /**
   * The session that it is about.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  session_id: string | null;

  /**
   * The phone number of a sign-in or a change of number as it was then, masked.
   * @example "+14*******00"
   */
  number: string | null;

  /**
   * IP address of the client whose request caused it.
   * @example "203.0.113.7"
   */
  address: string | null;
}

@ApiSchema({ description: 'All that is stored about the signed-in user, without secrets.' })
export class AccountExportDto {
  /** The user. */
  user: UserDto;

  /**
   * When the account was last used. Updated at most once a day.
   * @example "2026-11-25T12:30:00.000Z"
   */
  last_used_at: Date | null;

  /** The sessions, newest first: also ended ones, until they would have expired. */
  sessions: ExportedSessionDto[];

  /** The verifications of the number, newest first. */
  verifications: ExportedVerificationDto[];

  /** The security events, newest first. */
  events: ExportedEventDto[];

  static of({ verifications, ...rest }: AccountExport): AccountExportDto {
    const withDelivery = verifications.map((each) => ({ ...each, delivery: DeliveryDto.of(each.delivery) }));
    return { ...rest, verifications: withDelivery };
  }
}
