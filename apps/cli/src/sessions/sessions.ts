import { validate as isUuid } from 'uuid';
import { AccountService, type ExportedSession, SessionService } from '#auth';
import { runWithServices } from '../application.js';
import { EXIT_USAGE, Failure } from '../failure.js';
import { findUser, nameUser } from '../users/find-user.js';

export async function listSessions(argument: string, json: boolean): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const { sessions } = await app.get(AccountService).export(await findUser(app, name));
    if (json) return JSON.stringify(sessions, null, 2);
    return sessions.length === 0 ? 'no sessions' : sessions.map(textOf).join('\n');
  });
}

export async function endSession(id: string): Promise<void> {
  if (!isUuid(id)) throw new Failure('expected the id of a session; see --help', EXIT_USAGE);
  await runWithServices(async (app) => {
    await app.get(SessionService).endByOperator(id);
    return `ended ${id}`;
  });
}

export async function endSessionsOf(argument: string): Promise<void> {
  const name = await nameUser(argument);
  await runWithServices(async (app) => {
    const user = await findUser(app, name);
    await app.get(SessionService).endAllByOperator(user);
    return `ended all sessions of ${user.id}`;
  });
}

function textOf(session: ExportedSession): string {
  const { ended_at, end_reason, expires_at } = session;
  return [
    session.id,
    `created ${session.created_at.toISOString()} by ${session.method} from ${session.address ?? 'unknown'}`,
    `last used ${session.last_used_at.toISOString()}`,
    ended_at ? `ended ${ended_at.toISOString()} (${end_reason})` : `expires ${expires_at.toISOString()}`,
    session.label ?? 'unknown client',
  ].join('  ');
}
