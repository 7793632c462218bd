import { Injectable } from '@nestjs/common';
import { Limits } from '#abuse';
import { CodeRejected, InvalidToken, NotFound, VerificationClosed } from '#errors';
import { Keys } from '#keys';
import type { Channel } from '#messaging';
import { type Verification, type VerificationId, VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { TokensRepository } from '#tokens';
import { type User, UsersRepository } from '#users';
import { SendCodeTask } from './send-code.task.js';

/** A code with less life than this is not worth another message: its reader would be too late. */
const TOO_SHORT_TO_RESEND_MS = 15_000;

export interface CodeRequest {
  readonly phoneNumber: PhoneNumber;
  readonly channel: Channel;
  readonly name?: string | null;
  readonly locale?: string | null;
}

/** A fresh sign-in: the only moment in which the token is known. */
export interface Session {
  readonly token: string;
  readonly expiresAt: Date;
  readonly user: User;
  readonly isNewUser: boolean;
}

/** The stories: ask for a code, trade it for a session, find out who holds a token. */
@Injectable()
export class AuthService {
  constructor(
    private readonly limits: Limits,
    private readonly verifications: VerificationService,
    private readonly sendCode: SendCodeTask,
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  /** Resolves before the provider is asked, when the message cannot be lost any more. */
  async requestCode(request: CodeRequest): Promise<Verification> {
    const resendAfterMs = await this.admit(request.phoneNumber);
    const verification = await this.verifications.open({ ...request, purpose: 'sign_in' }, resendAfterMs);
    await this.sendCode.enqueue(verification);
    return verification;
  }

  /** The same for whoever knows the number only: a number has one such verification at a time. */
  async requestSignUpCode(request: CodeRequest): Promise<void> {
    const resendAfterMs = await this.admit(request.phoneNumber);
    const verification = await this.openOrResend(request, resendAfterMs);
    await this.sendCode.enqueue(verification);
  }

  /** The same code once more. */
  async resendCode(id: VerificationId): Promise<Verification> {
    const { phoneNumber, status } = await this.verifications.get(id);
    if (status !== 'pending') throw new VerificationClosed(status);
    const resendAfterMs = await this.admit(phoneNumber);
    const verification = await this.verifications.resend(id, resendAfterMs);
    await this.sendCode.enqueue(verification);
    return verification;
  }

  /** @throws NotFound */
  verification(id: VerificationId): Promise<Verification> {
    return this.verifications.get(id);
  }

  /** The code signs nobody in any more. */
  async cancel(id: VerificationId): Promise<void> {
    await this.verifications.cancel(id);
  }

  async signIn(id: VerificationId, code: string, name?: string | null): Promise<Session> {
    return this.verifications.check(id, code, (verification) => this.openSession(verification, name));
  }

  /** Wrong, expired, used and never sent are one answer, because the caller proves nothing but the number. */
  async signUp(phoneNumber: PhoneNumber, code: string, name?: string | null): Promise<Session> {
    const verification = await this.verifications.findOpen('sign_up', phoneNumber);
    if (!verification) throw new CodeRejected();
    try {
      return await this.signIn(verification.id, code, name);
    } catch (error) {
      const isRefusal = [CodeRejected, VerificationClosed, NotFound].some((kind) => error instanceof kind);
      throw isRefusal ? new CodeRejected() : error;
    }
  }

  /** @throws InvalidToken */
  async userOf(token: string): Promise<User> {
    const found = await this.tokens.find(token, 'authentication');
    const user = found && (await this.users.find(found.userId));
    if (!user) throw new InvalidToken();
    return user;
  }

  /** @returns milliseconds until the number may be sent another message. */
  private admit(phoneNumber: PhoneNumber): Promise<number> {
    return this.limits.admitMessage(this.keys.indexOf(phoneNumber));
  }

  private async openOrResend(request: CodeRequest, resendAfterMs: number): Promise<Verification> {
    const live = await this.verifications.findOpen('sign_up', request.phoneNumber);
    const lasts = live !== null && live.expiresAt.getTime() - Date.now() > TOO_SHORT_TO_RESEND_MS;
    return lasts
      ? this.verifications.resend(live.id, resendAfterMs, request.name)
      : this.verifications.open({ ...request, purpose: 'sign_up' }, resendAfterMs);
  }

  /** A user and a token, or neither. The token is made first, so that a second try writes the same one. */
  private async openSession(verification: Verification, name?: string | null): Promise<Session> {
    const token = this.tokens.generate();
    return this.database.transaction(async (transaction) => {
      const { user, isNew } = await this.users.findOrCreate(
        transaction,
        verification.phoneNumber,
        name ?? verification.name,
      );
      await this.tokens.insert(transaction, token, {
        userId: user.id,
        scope: 'authentication',
        verificationId: verification.id,
      });
      return { token: token.secret, expiresAt: token.expiresAt, user, isNewUser: isNew };
    });
  }
}
