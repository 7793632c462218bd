import { UserDto } from './user.dto.js';

export class ProtectedDto {
  /** @example "You are signed in" */
  message: string;

  user: UserDto;
}
