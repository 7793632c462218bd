import type { RecordedEvent } from '#events';
import type { Verification } from '#otp';
import type { RecordedSession } from '#tokens';
import type { User } from '#users';

/** All that is stored about a user. */
export interface StoredAccount {
  readonly user: User;
  readonly lastUsedAt: Date | null;
  readonly sessions: readonly RecordedSession[];
  readonly verifications: readonly Verification[];
  /** The newest first. */
  readonly events: readonly RecordedEvent[];
}

/** The stored account as its user may read it, by the route and by the command. It holds nothing that gives access. */
export type AccountExport = ReturnType<typeof accountExportOf>;
export type ExportedSession = AccountExport['sessions'][number];
export type ExportedUser = ReturnType<typeof exportedUser>;

export function accountExportOf({ user, lastUsedAt, sessions, verifications, events }: StoredAccount) {
  return {
    user: exportedUser(user),
    last_used_at: lastUsedAt,
    sessions: sessions.map((session) => ({
      id: session.id,
      created_at: session.createdAt,
      last_used_at: session.lastUsedAt,
      expires_at: session.expiresAt,
      ended_at: session.endedAt,
      end_reason: session.endReason as string | null,
      address: session.address,
      user_agent: session.userAgent,
      label: session.label,
      method: session.method,
    })),
    verifications: verifications.map(({ status, name, locale, route, createdAt, expiresAt, delivery }) => ({
      ...{ status, name, locale, channel: route.channel, created_at: createdAt, expires_at: expiresAt },
      delivery,
    })),
    events: events.map(({ at, kind, sessionId, phoneMasked, address }) => {
      return { at, kind: kind as string, session_id: sessionId, number: phoneMasked, address };
    }),
  };
}

export function exportedUser({ id, createdAt, name, locale, phoneNumber, avatar, version }: User) {
  const images = avatar && { large: pathOf(avatar.large), small: pathOf(avatar.small) };
  return {
    id,
    created_at: createdAt,
    name,
    locale,
    phone_number: phoneNumber as string,
    avatar: images,
    version,
  };
}

/** Returns the path of an image of an avatar. */
function pathOf(hash: string): string {
  return `/v1/avatars/${hash}.webp`;
}
