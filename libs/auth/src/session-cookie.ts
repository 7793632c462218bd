/** The cookie that authenticates browsers. */
export abstract class SessionCookieOptions {
  /** Null: cookies do not authenticate. */
  abstract readonly name: string | null;
  /** The origin of `PUBLIC_URL` (RFC 6454); null without one. */
  abstract readonly publicOrigin: string | null;
}

/**
 * The prefix makes browsers refuse a cookie of this name that a subdomain or a page without TLS has set (RFC 6265bis,
 * section 4.1.3.2).
 */
const PREFIX = '__Host-';
const NAME = 'latchkey_session';

/** The names that the cookie can have. */
export const SESSION_COOKIES = [NAME, PREFIX + NAME] as const;

/** @param publicUrl null: browsers may reach this server without TLS, where the prefix does not work. */
export function sessionCookieOptions(isOn: boolean, publicUrl: string | null): SessionCookieOptions {
  const publicOrigin = publicUrl === null ? null : new URL(publicUrl).origin;
  if (!isOn) return { name: null, publicOrigin };
  return { name: publicUrl?.startsWith('https:') ? PREFIX + NAME : NAME, publicOrigin };
}
