import { ApiSchema } from '@nestjs/swagger';
import { exportedUser } from '#auth';
import type { User } from '#users';

@ApiSchema({ description: 'A person who has signed in with a phone number.' })
export class UserDto {
  /**
   * Identifies the user: a UUIDv7.
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  id: string;

  /**
   * When the account was created.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;

  /**
   * Name from the sign-in that created the account, or the one that the user chose since.
   * @example "Ada"
   */
  name: string | null;

  /**
   * Language that the user chose (BCP 47).
   * @example "en"
   */
  locale: string | null;

  /**
   * The phone number in E.164 form.
   * @example "+14155550100"
   */
  phone_number: string;

  /**
   * Number of changes, for optimistic locking.
   * @example 1
   */
  version: number;

  static of(user: User): UserDto {
    return exportedUser(user);
  }
}
