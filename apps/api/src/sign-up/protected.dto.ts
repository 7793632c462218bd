import { ApiSchema } from '@nestjs/swagger';
import { UserDto } from '../account/user.dto.js';
import { SignUpUserDto } from './sign-up-user.dto.js';

@ApiSchema({ description: 'The answer of a route that needs a session.' })
export class ProtectedDto {
  /**
   * A sentence for people.
   * @example "You are signed in"
   */
  message: string;

  /** The user of the token. */
  user: UserDto;

  /** The same user as the answer of `/signup` has it, for clients of the Go server. */
  data: SignUpUserDto;
}
