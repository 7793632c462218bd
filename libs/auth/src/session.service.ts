import { Injectable, Logger } from '@nestjs/common';
import { InsufficientScope, InvalidToken, NotFound } from '#errors';
import { type ProvenVerification, VerificationService } from '#otp';
import { maskPhoneNumber, type PhoneNumber } from '#phone';
import {
  type ActiveSession,
  ActiveSessionsRepository,
  type EndReason,
  hashOf,
  type Introspection,
  isTokenSecret,
  type RecordedSession,
  type RefreshedTokens,
  RefreshTokensRepository,
  type SessionClient,
  SessionUsesService,
  TokensRepository,
} from '#tokens';
import { type User, UsersRepository } from '#users';
import { type Bearer, type CreatedSession, SessionsRepository } from './sessions.repository.js';

/** Part of a user's sessions. */
export interface SessionPage {
  readonly sessions: readonly (ActiveSession & { readonly isCurrent: boolean })[];
  /** The id to continue after; null on the last page. */
  readonly next: string | null;
}

export type RefreshedSession = RefreshedTokens & { readonly user: User };

/** Creates, finds, lists, refreshes and ends sessions. */
@Injectable()
export class SessionService {
  private readonly logger = new Logger('Operations');

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly active: ActiveSessionsRepository,
    private readonly refreshTokens: RefreshTokensRepository,
    private readonly uses: SessionUsesService,
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
    private readonly verifications: VerificationService,
  ) {}

  /**
   * Creates the user, if the number has none, and a session, and approves the verification. One caller succeeds.
   *
   * @param name used when this creates the user.
   * @throws NotFound, NumberRecycled, Unavailable, VerificationClosed
   */
  async create(
    proven: ProvenVerification,
    name: string | null,
    { address, userAgent }: SessionClient,
  ): Promise<CreatedSession> {
    const { id: verificationId, purpose, phoneNumber, phoneSealed, provenBy, route, device } = proven;
    const user = this.users.draft(phoneNumber, name, phoneSealed);
    const signIn = {
      user,
      phoneMasked: maskPhoneNumber(phoneNumber),
      verificationId,
      purpose,
      method: route.channel,
      address,
      userAgent,
      isKnownDevice: device !== null,
    };
    if (this.verifications.joinsSessions) {
      return this.verifications.approveBy(proven, async () => {
        await this.adoptEarlierForm(phoneNumber);
        return this.sessions.createApproving(signIn, provenBy);
      });
    }
    const claimed = await this.verifications.claim(proven);
    return this.verifications.complete(claimed, async () => {
      await this.adoptEarlierForm(phoneNumber);
      return this.sessions.create(signIn);
    });
  }

  /** @throws InvalidToken, InsufficientScope */
  async authenticate(token: string): Promise<Bearer> {
    const bearer = await this.sessions.find(token);
    if (!bearer) throw new InvalidToken();
    if (bearer.scope !== 'authentication') throw new InsufficientScope();
    if (bearer.sessionId !== null) this.uses.record(bearer.sessionId);
    return bearer;
  }

  /**
   * Exchanges a refresh token for a new one and a new token.
   *
   * @throws InvalidToken, Unavailable
   */
  async refresh(refreshToken: string): Promise<RefreshedSession> {
    return this.withUser(await this.refreshTokens.refresh(refreshToken));
  }

  /**
   * Returns a new token of the session. Its refresh token stays as it is.
   *
   * @throws InvalidToken if the session has ended, Unavailable
   */
  async reissue(sessionId: string): Promise<RefreshedSession> {
    return this.withUser(await this.refreshTokens.reissue(sessionId));
  }

  /**
   * Returns the newest sessions first.
   *
   * @param after the id of the last session of the page before; null for the first page.
   * @throws Unavailable
   */
  async list(bearer: Bearer, limit: number, after: string | null): Promise<SessionPage> {
    const current = await this.currentOf(bearer);
    const found = await this.active.list(bearer.user.id, limit + 1, after);
    const sessions = found.slice(0, limit).map((each) => ({ ...each, isCurrent: each.id === current }));
    return { sessions, next: found.length > limit ? (sessions.at(-1)?.id ?? null) : null };
  }

  /**
   * Returns every session of the user that is kept, ended or not, the newest first.
   *
   * @throws Unavailable
   */
  listAll({ id }: User): Promise<RecordedSession[]> {
    return this.active.listAll(id);
  }

  /**
   * Ends one session of the user. From then on its tokens are invalid in every process.
   *
   * @throws NotFound, Unavailable
   */
  async end({ user }: Bearer, id: string): Promise<void> {
    if (!(await this.active.belongs(id, user.id))) throw new NotFound('session');
    await this.active.end(id, 'ended_by_user');
  }

  /**
   * Ends the sessions of the user.
   *
   * @param includesCurrent false: the session of the request stays.
   * @throws Unavailable
   */
  async endAll(bearer: Bearer, includesCurrent: boolean): Promise<void> {
    const current = await this.currentOf(bearer);
    await this.active.endOf(bearer.user.id, includesCurrent ? null : current, 'ended_by_user');
  }

  /**
   * Ends every session of the user.
   *
   * @throws Unavailable
   */
  async endAllOf({ id }: User, reason: EndReason): Promise<void> {
    await this.active.adoptTokens(id);
    await this.active.endOf(id, null, reason);
  }

  /** @throws NotFound, Unavailable */
  async endByOperator(id: string): Promise<void> {
    if (!(await this.active.exists(id))) throw new NotFound('session');
    await this.active.end(id, 'ended_by_operator');
    this.logger.log({ msg: 'an operator ended a session', event: 'session_ended', session: id });
  }

  /** @throws Unavailable */
  async endAllByOperator(user: User): Promise<void> {
    await this.endAllOf(user, 'ended_by_operator');
    this.logger.log({
      msg: 'an operator ended all sessions of a user',
      event: 'sessions_ended',
      user: user.id,
    });
  }

  /**
   * Ends the session of the request.
   *
   * @throws Unavailable
   */
  async signOut(bearer: Bearer): Promise<void> {
    const current = await this.currentOf(bearer);
    if (current !== null) await this.active.end(current, 'signed_out');
  }

  /**
   * Returns the state of a token; null if it is not valid now. Counts as a use of its session.
   *
   * @throws Unavailable
   */
  async introspect(token: string): Promise<Introspection | null> {
    const found = await this.tokens.introspect(token);
    if (found?.sessionId) this.uses.record(found.sessionId);
    return found;
  }

  /**
   * Ends the session of a token or a refresh token. Does nothing for any other text.
   *
   * @throws Unavailable
   */
  async revoke(secret: string): Promise<void> {
    const bearer = await this.sessions.find(secret);
    const id = bearer ? await this.currentOf(bearer) : await this.idOfRefreshToken(secret);
    if (id !== null) await this.active.end(id, 'revoked');
  }

  /**
   * Gives every token of the user a session. Returns the id of the request's own; null if its token has just been purged.
   *
   * @throws Unavailable
   */
  async currentOf({ user, sessionId, tokenHash }: Bearer): Promise<string | null> {
    await this.active.adoptTokens(user.id);
    return sessionId ?? this.active.idOf(tokenHash);
  }

  /**
   * Deletes expired tokens, and then expired sessions with their refresh tokens.
   *
   * @throws Unavailable
   */
  async purge(): Promise<void> {
    await this.tokens.purge();
    await this.active.purge();
  }

  private async withUser(refreshed: RefreshedTokens): Promise<RefreshedSession> {
    // Null: the session ended meanwhile.
    const bearer = await this.sessions.find(refreshed.token);
    if (!bearer) throw new InvalidToken();
    return { ...refreshed, user: bearer.user };
  }

  private idOfRefreshToken(secret: string): Promise<string | null> | null {
    return isTokenSecret(secret) ? this.active.idOfRefreshToken(hashOf(secret)) : null;
  }

  private async adoptEarlierForm(phoneNumber: PhoneNumber): Promise<void> {
    const changed = await this.users.adoptEarlierForm(phoneNumber);
    if (changed !== null) await this.tokens.forgetCopiesOf(changed);
  }
}
