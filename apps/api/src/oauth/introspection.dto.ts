import { ApiSchema } from '@nestjs/swagger';
import type { Introspection } from '#tokens';

@ApiSchema({
  description:
    'The state of a token (RFC 7662, section 2.2). Only `active` is sent for a token that is not valid.',
})
export class IntrospectionDto {
  /** True if the token is valid now. */
  active: boolean;

  /** The scheme to send the token with (RFC 6750). */
  token_type?: 'Bearer';

  /**
   * The scope of the token.
   * @example "authentication"
   */
  scope?: string;

  /**
   * The `id` of the user.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  sub?: string;

  /**
   * The `id` of the session. Not sent for a token that is older than sessions.
   * @example "0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a"
   */
  sid?: string;

  /** When the token was issued, in seconds since 1970. */
  iat?: number;

  /** When the token expires, in seconds since 1970. */
  exp?: number;

  static of(token: Introspection | null): IntrospectionDto {
    if (token === null) return { active: false };
    return {
      active: true,
      token_type: 'Bearer',
      scope: token.scope,
      sub: token.userId,
      ...(token.sessionId !== null && { sid: token.sessionId }),
      iat: secondsOf(token.createdAt),
      exp: secondsOf(token.expiresAt),
    };
  }
}

/** Rounds down, so that a token does not seem to be valid for longer than it is. */
function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1_000);
}
