import type { User } from '#users';

export class UserDto {
  /**
   * UUIDv7
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  id: string;

  created_at: Date;

  /** @example "Ada" */
  name: string | null;

  /**
   * E.164
   * @example "+14155550100"
   */
  phone_number: string;

  /**
   * Number of changes, for optimistic locking.
   * @example 1
   */
  version: number;

  static of({ id, createdAt, name, phoneNumber, version }: User): UserDto {
    return { id, created_at: createdAt, name, phone_number: phoneNumber, version };
  }
}
