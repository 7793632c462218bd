import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { GuessPolicyService, type Requester } from '#abuse';
import { SendNoticeTask } from '#delivery';
import { InvalidRequest, InvalidToken, NotFound } from '#errors';
import { type Verification, VerificationService } from '#otp';
import { earlierFormsOf } from '#phone';
import { isForeignKeyViolation } from '#postgres';
import type { User } from '#users';
import { AccountService } from './account.service.js';
import { type CodeRequest, CodesService, type Guess } from './codes.service.js';
import { type NumberChange, NumberChangesRepository } from './number-changes.repository.js';
import { type RefreshedSession, SessionService } from './session.service.js';
import type { Bearer } from './sessions.repository.js';

/** The session that changed its number, with a new token. */
export interface MovedSession extends RefreshedSession {
  readonly isNewUser: false;
  readonly isRecycled: false;
  readonly deviceToken: string;
}

/** Moves accounts to other phone numbers, which their users prove by a code. See docs/decisions/0070. */
@Injectable()
export class NumberChangeService {
  constructor(
    private readonly codes: CodesService,
    private readonly sessions: SessionService,
    private readonly verifications: VerificationService,
    private readonly accounts: AccountService,
    private readonly guessPolicy: GuessPolicyService,
    private readonly changes: NumberChangesRepository,
    private readonly notices: SendNoticeTask,
  ) {}

  /**
   * Opens the verification of a change, as `AuthService.requestCode` does. A number with an account gets a code too: the answer
   * does not tell that it has one.
   *
   * @throws InvalidRequest for the number that the account has; RecentSignInRequired
   */
  async request(bearer: Bearer, request: CodeRequest, requester: Requester): Promise<Verification> {
    const { user } = bearer;
    const { phoneNumber } = request;
    if ([phoneNumber, ...earlierFormsOf(phoneNumber)].includes(user.phoneNumber)) {
      const detail = 'is the number of this account already';
      throw new InvalidRequest('this is the number of the account', [{ pointer: '/phone_number', detail }]);
    }
    const sessionId = await this.sessions.currentOf(bearer);
    if (sessionId === null) throw new InvalidToken();
    await this.requireOwner(user, sessionId, requester);
    await this.changes.admit(user);
    return this.codes
      .request({ purpose: 'change_number', sessionId }, request, requester)
      .catch(invalidWhenEnded);
  }

  /**
   * Checks the code, and moves the account to the number. The other sessions of the account end. Rejects a right code as a wrong
   * one if the number has an account.
   *
   * @param authenticate resolves to the owner of the request's token.
   * @throws CodeRejected, InvalidToken, NotFound, RateLimited, Unauthenticated, VerificationClosed
   */
  async check(guess: Guess, authenticate: () => Promise<Bearer>): Promise<MovedSession> {
    const { pending } = guess;
    const bearer = await authenticate();
    const { user, sessionId } = bearer;
    // Of another session: as if it were unknown. A token that had no session has one since `request`.
    if (sessionId === null || sessionId !== pending.sessionId) throw new NotFound('verification');
    const right = await this.codes.prove(guess, () => this.changes.canTake(user, pending.phoneNumber));
    const noticeId = uuidv7();
    await this.move({ user, proven: right.proven, sessionId, noticeId });
    await this.notices.start(noticeId);
    const session = await this.sessions.reissue(sessionId);
    return { ...session, isNewUser: false, isRecycled: false, deviceToken: this.codes.recordSuccess(right) };
  }

  /**
   * Requires more than a token, which may be stolen: a sign-in within ten minutes, or a known device of the number. The user who
   * has lost the number can have the second one only.
   *
   * @throws RecentSignInRequired
   */
  private async requireOwner({ phoneNumber }: User, sessionId: string, requester: Requester): Promise<void> {
    const { device } = await this.guessPolicy.standingOf(phoneNumber, requester);
    if (device === null) await this.accounts.requireRecentSignIn(sessionId);
  }

  private async move(change: NumberChange): Promise<void> {
    if (this.verifications.joinsSessions) {
      await this.verifications.approveBy(change.proven, () => this.changes.moveApproving(change));
      return;
    }
    const claimed = await this.verifications.claim(change.proven);
    await this.verifications.complete(claimed, () => this.changes.move(change));
  }
}

/** The verification refers to its session, which was deleted meanwhile. */
function invalidWhenEnded(error: unknown): never {
  throw isForeignKeyViolation(error) ? new InvalidToken() : error;
}
