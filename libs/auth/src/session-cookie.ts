/** The cookie that authenticates browsers. */
export abstract class SessionCookieOptions {
  /** Null: cookies do not authenticate. */
  abstract readonly name: string | null;
  /** The host of `PUBLIC_URL`, with its port; null without one. */
  abstract readonly publicHost: string | null;
}

/**
 * The prefix makes browsers refuse a cookie of this name that a subdomain or a page without TLS has set (RFC 6265bis,
 * section 4.1.3.2).
 */
const PREFIX = '__Host-';
const NAME = 'latchkey_session';

/** @param publicUrl null: browsers may reach this server without TLS, where the prefix does not work. */
export function sessionCookieOptions(isOn: boolean, publicUrl: string | null): SessionCookieOptions {
  const publicHost = publicUrl === null ? null : new URL(publicUrl).host;
  if (!isOn) return { name: null, publicHost };
  return { name: publicUrl?.startsWith('https:') ? PREFIX + NAME : NAME, publicHost };
}
