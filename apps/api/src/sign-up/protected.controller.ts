import { Controller, Get } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '#auth';
import type { User } from '#users';
import { UserDto } from '../account/user.dto.js';
import { Problems } from '../http/problems.decorator.js';
import { ProtectedDto } from './protected.dto.js';
import { SignUpUsers } from './sign-up-user.dto.js';

@Controller()
export class ProtectedController {
  constructor(private readonly users: SignUpUsers) {}

  /**
   * Returns the signed-in user.
   *
   * The smallest protected route, to try a token with.
   */
  @ApiTags('Signed in')
  @ApiBearerAuth()
  @Problems('unauthenticated', 'insufficient_scope')
  @Get('protected')
  getProtected(@CurrentUser() user: User): ProtectedDto {
    return { message: 'You are signed in', user: UserDto.of(user), data: this.users.dtoOf(user) };
  }
}
