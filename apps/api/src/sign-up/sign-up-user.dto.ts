import { ApiProperty, ApiSchema, OmitType } from '@nestjs/swagger';
import type { User } from '#users';
import { UserDto } from '../account/user.dto.js';

@ApiSchema({
  description: 'A user in the form that clients of the Go server read: `created_at` has whole seconds.',
})
export class SignUpUserDto extends OmitType(UserDto, ['id', 'created_at']) {
  /**
   * Identifies the user: a UUIDv7, or a 64-bit integer if the server has `SIGNUP_NUMERIC_IDS=on`.
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  @ApiProperty({ oneOf: [{ type: 'string' }, { type: 'integer', format: 'int64' }] })
  id: string | number;

  /**
   * When the account was created.
   * @example "2026-11-25T10:00:00Z"
   */
  @ApiProperty({ format: 'date-time' })
  created_at: string;
}

/** Writes the user of `/signup` and `/protected`. */
export class SignUpUsers {
  /** @param hasNumericIds true: clients decode the id as a 64-bit integer. */
  constructor(private readonly hasNumericIds: boolean) {}

  dtoOf(user: User): SignUpUserDto {
    const id = this.hasNumericIds ? user.legacyId : user.id;
    return { ...UserDto.of(user), id, created_at: inWholeSeconds(user.createdAt) };
  }
}

/** A repeated answer was JSON meanwhile, so its times are text. */
function inWholeSeconds(time: Date | string): string {
  return new Date(time).toISOString().replace(/\.\d+/, '');
}
