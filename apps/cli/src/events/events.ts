import { EventsRepository, type RecordedEvent } from '#events';
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
    return events.length === 0 ? 'no events' : events.map(textOf).join('\n');
  });
}

function jsonOf({ id, at, kind, address, requestId, details, ...subject }: RecordedEvent) {
  const { userId, sessionId, phoneIndex, phoneMasked } = subject;
  const about = { user_id: userId, session_id: sessionId, number: phoneMasked, number_hash: phoneIndex };
  return { id, at, kind, ...about, address, request_id: requestId, details };
}

function textOf(event: RecordedEvent): string {
  const { at, kind, userId, sessionId, phoneMasked, address, requestId, details } = event;
  const members = {
    user: userId,
    number: phoneMasked,
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
