import { AccountService } from '#auth';
import type { User } from '#users';
import { runWithServices } from '../application.js';
import { findUser, nameUser } from './find-user.js';

export async function showUser(argument: string, json: boolean): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const user = await findUser(app, name);
    return json ? JSON.stringify(user, null, 2) : textOf(user);
  });
}

export async function exportUser(argument: string): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const user = await findUser(app, name);
    return JSON.stringify(await app.get(AccountService).export(user), null, 2);
  });
}

export async function deleteUser(argument: string): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const user = await findUser(app, name);
    await app.get(AccountService).deleteByOperator(user);
    return `deleted ${user.id}`;
  });
}

function textOf({ id, phoneNumber, name, locale, createdAt, version }: User): string {
  const lines = [
    ['id', id],
    ['phone number', phoneNumber],
    ['name', name ?? 'none'],
    ['language', locale ?? 'none'],
    ['created', createdAt.toISOString()],
    ['version', String(version)],
  ];
  return lines.map(([label = '', value]) => `${label.padEnd(14)}${value}`).join('\n');
}
