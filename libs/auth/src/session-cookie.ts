import { type AppConfig, originMatcher } from '#config';

/** The cookie that authenticates browsers. */
export abstract class SessionCookieOptions {
  /** Null: cookies do not authenticate. */
  abstract readonly name: string | null;
  /** The origin of `PUBLIC_URL` (RFC 6454); null without one. */
  abstract readonly publicOrigin: string | null;
  /** Returns true for an origin of `ALLOWED_ORIGINS`. */
  abstract readonly isTrusted: (origin: string) => boolean;
}

/**
 * The prefix makes browsers refuse a cookie of this name that a subdomain or a page without TLS has set (RFC 6265bis,
 * section 4.1.3.2).
 */
const PREFIX = '__Host-';
const NAME = 'latchkey_session';

/** The names that the cookie can have. */
export const SESSION_COOKIES = [NAME, PREFIX + NAME] as const;

/**
 * Without a `PUBLIC_URL`, browsers may reach this server without TLS, where the prefix does not work. The origins that are allowed
 * by default, without credentials, are not trusted.
 */
export function sessionCookieOptions({
  sessionCookie,
  publicUrl,
  allowedOrigins: { patterns, credentials },
}: Pick<AppConfig, 'sessionCookie' | 'publicUrl' | 'allowedOrigins'>): SessionCookieOptions {
  const prefixed = publicUrl?.startsWith('https:') ? PREFIX + NAME : NAME;
  return {
    name: sessionCookie ? prefixed : null,
    publicOrigin: publicUrl === null ? null : new URL(publicUrl).origin,
    isTrusted: originMatcher(credentials ? patterns : []),
  };
}
