import type { INestApplicationContext } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { AccountService } from '#auth';
import type { PhoneNumber } from '#phone';
import type { User } from '#users';
import { argumentOrInput, numberOrFailure } from '../phone-number.js';

/** Names a user: its id or its number. */
export type UserName = { readonly id: string } | { readonly phoneNumber: PhoneNumber };

export async function nameUser(argument: string): Promise<UserName> {
  const given = await argumentOrInput(argument);
  return isUuid(given) ? { id: given } : { phoneNumber: numberOrFailure(given, 'the id of a user or ') };
}

/** @throws NotFound, Unavailable */
export function findUser(app: INestApplicationContext, name: UserName): Promise<User> {
  const accounts = app.get(AccountService);
  return 'id' in name ? accounts.findById(name.id) : accounts.findByNumber(name.phoneNumber);
}
