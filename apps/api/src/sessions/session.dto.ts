import { ApiSchema, OmitType, PickType } from '@nestjs/swagger';
import type { RefreshedSession, Session, SessionPage } from '#auth';
import { UserDto } from '../account/user.dto.js';
import { RequestFields } from '../http/request-fields.dto.js';

@ApiSchema({ description: 'A session of a signed-in user.' })
export class SessionDto {
  /**
   * The bearer token. It cannot be read again later.
   * @example "7CJ5KQ2N3XW4EYAV6DZTLM5RUI"
   */
  token: string;

  /** The scheme to send the token with (RFC 6750). */
  token_type: 'Bearer';

  /**
   * When the token expires.
   * @example "2026-11-27T10:00:00.000Z"
   */
  expires_at: Date;

  /**
   * Exchanges the session's tokens for new ones. Store it where only your app can read it. It cannot be read again later.
   * @example "MF3H5Q2N3XW4EYAV6DZTLM5RUI"
   */
  refresh_token: string;

  /**
   * When the session ends, unless it is refreshed before.
   * @example "2026-12-25T10:00:00.000Z"
   */
  refresh_expires_at: Date;

  /**
   * Identifies the session in the list of sessions: a UUIDv7.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  session_id: string;

  /** True if this sign-in created the account. */
  is_new_user: boolean;

  /**
   * Store it on the device and send it with the next sign-in with this number. Browsers also get it as a cookie.
   * @example "pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605"
   */
  device_token: string;

  /** The user who signed in. */
  user: UserDto;

  static of(session: Session): SessionDto {
    return {
      ...RefreshedSessionDto.of(session),
      is_new_user: session.isNewUser,
      device_token: session.deviceToken,
    };
  }
}

@ApiSchema({ description: 'A session with new tokens.' })
export class RefreshedSessionDto extends OmitType(SessionDto, ['is_new_user', 'device_token']) {
  static of(session: RefreshedSession): RefreshedSessionDto {
    return {
      token: session.token,
      token_type: 'Bearer',
      expires_at: session.expiresAt,
      refresh_token: session.refreshToken,
      refresh_expires_at: session.refreshExpiresAt,
      session_id: session.sessionId,
      user: UserDto.of(session.user),
    };
  }
}

@ApiSchema({ description: 'A refresh token.' })
export class RefreshDto extends PickType(RequestFields, ['refresh_token']) {}

@ApiSchema({ description: 'The audience of a signed token.' })
export class RequestSignedTokenDto extends PickType(RequestFields, ['audience']) {}

@ApiSchema({ description: 'A signed access token (RFC 9068).' })
export class SignedTokenDto {
  /**
   * The token: a JWT of the type `at+jwt`, signed with ES256.
   * @example "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL3NpZ24taW4uZXhhbXBsZS5vcmcifQ.c2lnbmF0dXJl"
   */
  token: string;

  /** The scheme to send the token with (RFC 6750). */
  token_type: 'Bearer';

  /** The seconds until the token expires. */
  expires_in: number;

  /**
   * The scope of the token.
   * @example "authentication"
   */
  scope: string;
}

@ApiSchema({ description: 'A session in the list of the user.' })
export class ListedSessionDto {
  /**
   * Identifies the session: a UUIDv7.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  id: string;

  /** True for the session of this request. */
  current: boolean;

  /**
   * When the user signed in.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;

  /**
   * When the session was last used. Updated at most once a minute.
   * @example "2026-11-25T12:30:00.000Z"
   */
  last_used_at: Date;

  /**
   * When the session ends, unless it is refreshed before.
   * @example "2026-12-25T10:00:00.000Z"
   */
  expires_at: Date;

  /**
   * IP address of the sign-in.
   * @example "203.0.113.7"
   */
  address: string | null;

  /**
   * `User-Agent` header of the sign-in.
   * @example "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
   */
  user_agent: string | null;

  /**
   * Browser and operating system, read from the user agent.
   * @example "Firefox on Linux"
   */
  label: string | null;

  /**
   * Channel that carried the code. `otp` for a session that is older than this list.
   * @example "sms"
   */
  method: string;
}

@ApiSchema({ description: 'Part of the sessions of a user, newest first.' })
export class SessionListDto {
  /** The sessions. */
  items: ListedSessionDto[];

  /**
   * Send it as `cursor` to get the next part. Null on the last one.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  next_cursor: string | null;

  static of({ sessions, next }: SessionPage): SessionListDto {
    const items = sessions.map((session) => ({
      id: session.id,
      current: session.isCurrent,
      created_at: session.createdAt,
      last_used_at: session.lastUsedAt,
      expires_at: session.expiresAt,
      address: session.address,
      user_agent: session.userAgent,
      label: session.label,
      method: session.method,
    }));
    return { items, next_cursor: next };
  }
}
