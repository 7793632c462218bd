import { AccountService, type ExportedUser, exportedUser } from '#auth';
import { runWithServices } from '../application.js';
import { findUser, nameUser } from './find-user.js';

export async function showUser(argument: string, json: boolean): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const user = exportedUser(await findUser(app, name));
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

function textOf({ id, phone_number, name, locale, created_at, version }: ExportedUser): string {
  const lines = [
    ['id', id],
    ['phone number', phone_number],
    ['name', name ?? 'none'],
    ['language', locale ?? 'none'],
    ['created', created_at.toISOString()],
    ['version', String(version)],
  ];
  return lines.map(([label = '', value]) => `${label.padEnd(14)}${value}`).join('\n');
}
