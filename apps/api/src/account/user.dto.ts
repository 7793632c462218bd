import { ApiSchema } from '@nestjs/swagger';
import { exportedUser } from '#auth';
import type { User } from '#users';

@ApiSchema({
  description: 'The images of an avatar, as paths on this server. An image of a path never changes.',
})
export class AvatarDto {
  /**
   * 512 × 512 pixels.
   * @example "/v1/avatars/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.webp"
   */
  large: string;

  /**
   * 128 × 128 pixels.
   * @example "/v1/avatars/60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752.webp"
   */
  small: string;
}

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

  /** The avatar of the user, if there is one. */
  avatar: AvatarDto | null;

  /**
   * Number of changes, for optimistic locking.
   * @example 1
   */
  version: number;

  static of(user: User): UserDto {
    return exportedUser(user);
  }
}
