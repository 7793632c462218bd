/** The client that signed in, as its user may recognise it. */
export interface SessionClient {
  readonly address: string | null;
  /** The `User-Agent` header. */
  readonly userAgent: string | null;
}

/** Why a session ended before it expired. */
export type EndReason =
  | 'signed_out'
  | 'ended_by_user'
  | 'refresh_token_reused'
  | 'revoked'
  | 'number_changed'
  | 'number_recycled'
  | 'ended_by_operator';

/** A session that has not ended, as its user sees it. */
export interface ActiveSession extends SessionClient {
  /** UUIDv7 (RFC 9562, section 5.7). */
  readonly id: string;
  readonly createdAt: Date;
  /** Recorded at most once a minute. */
  readonly lastUsedAt: Date;
  /** The end, unless it is refreshed before. */
  readonly expiresAt: Date;
  /** Browser and operating system; null when the client did not say. */
  readonly label: string | null;
  /** The channel that carried the code; `otp` for a session from before channels were recorded. */
  readonly method: string;
}

/** A session as stored, ended or not. */
export interface RecordedSession extends ActiveSession {
  readonly endedAt: Date | null;
  readonly endReason: EndReason | null;
}

/** Long enough for the browsers of today, and short enough for a database row. */
const LONGEST_USER_AGENT = 256;

/** Returns the user agent as stored: without control characters, which Postgres and terminals may not take. */
export function storedUserAgent(userAgent: string | null): string | null {
  const printable = userAgent?.replace(/\p{C}/gu, '').slice(0, LONGEST_USER_AGENT).trim();
  return printable || null;
}
