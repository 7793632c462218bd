import { EventsRepository, type RecordedEvent } from '#events';
import { maskPhoneNumber } from '#phone';
import type { User } from '#users';
import { runWithServices } from '../application.js';
import { findUser, nameUser } from '../users/find-user.js';

interface Options {
  readonly user?: string;
  readonly kind?: string | null;
  readonly limit: number;
  readonly json?: boolean;
}

export async function listEvents({ user: argument, kind = null, limit, json }: Options): Promise<void> {
  const name = argument === undefined ? null : await nameUser(argument);
  await runWithServices(async (app) => {
    const user = name && (await findUser(app, name));
    const events = await app
      .get(EventsRepository, { strict: false })
      .list({ userId: user?.id ?? null, kind }, limit);
    if (json) return JSON.stringify(events.map(jsonOf), null, 2);
    return events.length === 0 ? 'no events' : events.map((event) => textOf(event, user)).join('\n');
  });
}

function jsonOf({ id, at, kind, userId, sessionId, phoneIndex, address, requestId, details }: RecordedEvent) {
  const about = { user_id: userId, session_id: sessionId, number_hash: phoneIndex };
  return { id, at, kind, ...about, address, request_id: requestId, details };
}

/** The number is masked: the output of commands is often kept. */
function textOf(event: RecordedEvent, user: User | null): string {
  const { at, kind, userId, sessionId, address, requestId, details } = event;
  const members = {
    user: userId,
    number: user && maskPhoneNumber(user.phoneNumber),
    session: sessionId,
    address,
    request: requestId,
    ...details,
  };
  const known = Object.entries(members).filter(([, value]) => value !== null);
  return [at.toISOString(), kind.padEnd(20), ...known.map(([label, value]) => `${label}=${value}`)].join(
    '  ',
  );
}
