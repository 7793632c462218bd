import { Injectable } from '@nestjs/common';
import { GuessPolicyService, type Requester, SendPolicyService } from '#abuse';
import type { Channel, Route } from '#config';
import { ConfirmCodeTask, DeliveryService, isWorthSending } from '#delivery';
import { CodeRejected, NotFound, VerificationClosed } from '#errors';
import { localeFor } from '#messaging';
import {
  type AdmittedGuess,
  type Purpose,
  type Verification,
  type VerificationId,
  VerificationService,
} from '#otp';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { type User, UsersRepository } from '#users';
import { type NewSession, SessionService } from './session.service.js';

export interface CodeRequest {
  readonly phoneNumber: PhoneNumber;
  readonly channel: Channel;
  readonly name?: string | null;
  /** The language that the client chose (BCP 47). */
  readonly locale?: string | null;
  /** The Accept-Language header (RFC 9110, section 12.5.4). */
  readonly acceptLanguage?: string | null;
}

/** A session just created. Its token is known only now. */
export interface Session extends NewSession {
  /** Identifies this device as a known device of the number from now on. */
  readonly deviceToken: string;
}

/** A message that the abuse policy admitted. */
interface AdmittedMessage {
  readonly route: Route;
  readonly hasFallback: boolean;
  readonly resendAfterMs: number;
  readonly ticket: string | null;
  readonly device: string | null;
  readonly codeLength: number;
}

/** Requests a code, signs in with it, and cancels it. */
@Injectable()
export class AuthService {
  constructor(
    private readonly sendPolicy: SendPolicyService,
    private readonly guessPolicy: GuessPolicyService,
    private readonly verifications: VerificationService,
    private readonly delivery: DeliveryService,
    private readonly confirmCode: ConfirmCodeTask,
    private readonly sessions: SessionService,
    private readonly users: UsersRepository,
  ) {}

  /** Opens a verification. Resolves when its message is durable, before the provider is asked. */
  async requestCode(request: CodeRequest, requester: Requester): Promise<Verification> {
    const message = await this.admitMessage(request, requester);
    const verification = await this.open('sign_in', request, message);
    await this.delivery.start(verification);
    return verification;
  }

  /** Opens the number's sign-up verification, or sends its code again. A number has one at a time. */
  async requestSignUpCode(request: CodeRequest, requester: Requester): Promise<void> {
    const message = await this.admitMessage(request, requester);
    const verification = await this.openOrResend(request, message);
    await this.delivery.start(verification);
  }

  /**
   * Sends the same code again.
   *
   * @param channel the channel of this message; null for that of the previous one.
   * @throws NotFound, VerificationClosed
   */
  async resendCode(id: VerificationId, requester: Requester, channel: Channel | null): Promise<Verification> {
    const pending = await this.verifications.getPending(id);
    const device = await this.guessPolicy.deviceOf(this.guessedAt(pending), requester);
    const request = { phoneNumber: pending.phoneNumber, channel: channel ?? pending.route.channel };
    const message = await this.admitMessage(request, requester, device);
    const verification = await this.verifications.resend(id, message);
    await this.delivery.start(verification);
    return verification;
  }

  /** @throws NotFound */
  verification(id: VerificationId): Promise<Verification> {
    return this.verifications.get(id);
  }

  /** @throws NotFound, VerificationClosed */
  async cancel(id: VerificationId): Promise<void> {
    const canceled = await this.verifications.cancel(id);
    await this.guessPolicy.recordAbandoned(this.guessedAt(canceled));
  }

  /** @throws CodeRejected, NotFound, RateLimited, VerificationClosed */
  async signIn(
    id: VerificationId,
    code: string,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    await this.guessPolicy.admitAddress(requester);
    // Reads before it writes: a store that hangs would run a write when it wakes up, long after the client got 503 and
    // retried. A read that hangs ends here and uses no attempt.
    const pending = await this.verifications.getPending(id);
    const guess = await this.admitGuess(pending, requester);
    const claimed = await this.verifications.attempt(guess, code);
    const session = await this.verifications.complete(claimed, () =>
      this.sessions.create(claimed, name ?? claimed.name),
    );
    return { ...session, deviceToken: await this.recordSuccess(claimed, requester) };
  }

  /** Answers a wrong, expired, used or unknown code alike, because the caller proves nothing but the number. */
  async signUp(
    phoneNumber: PhoneNumber,
    code: string,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    const { device } = await this.guessPolicy.standingOf(phoneNumber, requester);
    const verification = await this.verifications.findOpen('sign_up', phoneNumber, device);
    if (!verification) {
      await this.guessPolicy.admitAddress(requester);
      throw new CodeRejected();
    }
    try {
      return await this.signIn(verification.id, code, requester, name);
    } catch (error) {
      const isRefusal = [CodeRejected, VerificationClosed, NotFound].some((kind) => error instanceof kind);
      throw isRefusal ? new CodeRejected() : error;
    }
  }

  /** Revokes every device token of the user's number, including that of the requester. */
  async forgetDevices({ phoneNumber }: User): Promise<void> {
    await this.guessPolicy.forgetDevices(phoneNumber);
  }

  /** Looks up the standing and the account of every number, so that known and unknown ones take the same time. */
  private async admitMessage(
    { phoneNumber, channel }: Pick<CodeRequest, 'phoneNumber' | 'channel'>,
    requester: Requester,
    openedBy: string | null = null,
  ): Promise<AdmittedMessage> {
    const { route, hasFallback } = this.delivery.routeFor(channel, phoneNumber);
    const [standing, known] = await Promise.all([
      this.guessPolicy.standingOf(phoneNumber, requester),
      this.users.isKnown(phoneNumber),
    ]);
    const device = openedBy ?? standing.device;
    const message = { route, hasFallback, device, codeLength: standing.codeLength };
    if (this.verifications.isTestNumber(phoneNumber)) {
      return { ...message, ...(await this.sendPolicy.admitTestNumber(requester)), ticket: null };
    }
    return { ...message, ...(await this.sendPolicy.admit(phoneNumber, requester, { device, known })) };
  }

  /** Counts a guess before it is compared. Closes the verification when it takes no more guesses. */
  private async admitGuess(verification: Verification, requester: Requester): Promise<AdmittedGuess> {
    const guess = await this.guessPolicy.admit(this.guessedAt(verification), requester);
    return guess ?? this.verifications.exhaust(verification.id);
  }

  private guessedAt(verification: Verification) {
    return { ...verification, hasFixedCode: this.verifications.isTestNumber(verification.phoneNumber) };
  }

  private open(purpose: Purpose, request: CodeRequest, message: AdmittedMessage): Promise<Verification> {
    const { phoneNumber, name, locale: chosen = null, acceptLanguage = null } = request;
    const { country } = kindOfNumber(phoneNumber);
    const locale = localeFor({ locale: chosen, acceptLanguage, country });
    return this.verifications.open({ ...message, purpose, phoneNumber, name, locale }, message.resendAfterMs);
  }

  private async openOrResend(request: CodeRequest, message: AdmittedMessage): Promise<Verification> {
    const live = await this.verifications.findOpen('sign_up', request.phoneNumber, message.device);
    return live !== null && isWorthSending(live)
      ? this.verifications.resend(live.id, { ...message, name: request.name })
      : this.open('sign_up', request, message);
  }

  /** Records that the code was entered. Returns the device token. */
  private async recordSuccess(verification: Verification, requester: Requester): Promise<string> {
    const { phoneNumber, tickets, purpose } = verification;
    // Anyone who knows the number can request messages of a sign-up, so only the messages of this address count.
    const address = purpose === 'sign_up' ? requester.address : null;
    const [deviceToken] = await Promise.all([
      this.guessPolicy.recordSuccess(this.guessedAt(verification), requester),
      this.sendPolicy.recordSuccess(phoneNumber, tickets, address),
    ]);
    this.confirmCode.start(verification);
    return deviceToken;
  }
}
