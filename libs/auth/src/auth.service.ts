import { Injectable } from '@nestjs/common';
import {
  type AdmittedGuess,
  type GuessingClient,
  GuessPolicyService,
  HOLDER_OF_ID,
  type Requester,
  SendPolicyService,
} from '#abuse';
import type { Channel, Route } from '#config';
import { ConfirmCodeTask, DeliveryService } from '#delivery';
import { AppError, Unavailable } from '#errors';
import {
  type NewClient,
  type Purpose,
  type Verification,
  type VerificationId,
  VerificationService,
} from '#otp';
import type { PhoneNumber } from '#phone';
import { UsersRepository } from '#users';
import { SessionService } from './session.service.js';
import type { CreatedSession } from './sessions.repository.js';

export interface CodeRequest {
  readonly phoneNumber: PhoneNumber;
  readonly channel: Channel;
  readonly name?: string | null;
  /** The language of the message (BCP 47). */
  readonly locale: string;
  /** The configured hash of the Android app that reads the SMS. */
  readonly appHash?: string | null;
}

/** A session just created. Its secrets are known only now. */
export interface Session extends CreatedSession {
  /** Identifies this device as a known device of the number from now on. */
  readonly deviceToken: string;
}

/** A message that the abuse policy admitted. */
export interface AdmittedMessage {
  readonly route: Route;
  readonly hasFallback: boolean;
  readonly resendAfterMs: number;
  readonly ticket: string | null;
  readonly charge: string | null;
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
    const verification = await this.resend(id, message);
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
    // Reads before it writes: a store that hangs would run a write when it wakes up, long after the client got 503 and
    // retried. A read that hangs ends here and uses no attempt.
    const pending = await this.verifications.getPending(id).catch(async (refusal) => {
      // `check` counts the others.
      if (!(refusal instanceof Unavailable)) await this.guessPolicy.admitAddress(requester);
      throw refusal;
    });
    return this.check(pending, HOLDER_OF_ID, code, requester, name ?? pending.name);
  }

  /**
   * Checks the code that one client of the verification typed in, and signs it in. Counts the check for its address.
   *
   * @param name used when this creates the account.
   * @throws CodeRejected, NotFound, RateLimited, VerificationClosed
   */
  async check(
    pending: Verification,
    client: GuessingClient,
    code: string,
    requester: Requester,
    name: string | null,
  ): Promise<Session> {
    const alsoSeen = this.sendPolicy.keysOfSuccess(pending.phoneNumber, pending.tickets);
    const admitted = await this.guessPolicy.admit(this.guessedAt(pending), client, requester, alsoSeen);
    const guess = admitted ?? (await this.verifications.exhaust(pending.id));
    const proven = await this.verifications.attempt(guess, code);
    const session = await this.sessions.create(proven, name, requester);
    return { ...session, deviceToken: await this.recordSuccess(proven, client, requester, guess.seen) };
  }

  /**
   * Admits one message. Looks up the account of every number, so that known and unknown ones take the same time.
   */
  async admitMessage(
    { phoneNumber, channel }: Pick<CodeRequest, 'phoneNumber' | 'channel'>,
    requester: Requester,
    openedBy: string | null = null,
  ): Promise<AdmittedMessage> {
    const { route, hasFallback, routes } = this.delivery.routeFor(channel, phoneNumber);
    if (this.verifications.isTestNumber(phoneNumber)) {
      const { device, codeLength } = await this.guessPolicy.standingOf(phoneNumber, requester);
      const { resendAfterMs } = await this.sendPolicy.admitTestNumber(requester);
      const message = { device: openedBy ?? device, codeLength, resendAfterMs };
      return { route, hasFallback, ...message, ticket: null, charge: null };
    }
    const isKnownNumber = () => this.users.isKnown(phoneNumber);
    const asked = { device: openedBy, isKnownNumber, routes };
    return { route, hasFallback, ...(await this.sendPolicy.admit(phoneNumber, requester, asked)) };
  }

  private guessedAt(verification: Verification) {
    return { ...verification, hasFixedCode: this.verifications.isTestNumber(verification.phoneNumber) };
  }

  /** @param client the client that requests it, if several clients can. */
  open(
    purpose: Purpose,
    request: CodeRequest,
    message: AdmittedMessage,
    client: NewClient | null = null,
  ): Promise<Verification> {
    const { phoneNumber, name, locale, appHash } = request;
    const opened = { ...message, purpose, phoneNumber, name, locale, appHash, client };
    return this.verifications.open(opened, message.resendAfterMs);
  }

  /** Refunds the message when the verification takes no more. After `Unavailable` it may be queued all the same. */
  async resend(
    id: VerificationId,
    message: AdmittedMessage &
      Partial<Pick<CodeRequest, 'name' | 'locale' | 'appHash'>> & { client?: NewClient | null },
  ): Promise<Verification> {
    try {
      return await this.verifications.resend(id, message);
    } catch (refusal) {
      const isCertain = refusal instanceof AppError && !(refusal instanceof Unavailable);
      if (isCertain) await this.sendPolicy.refund(message.charge);
      throw refusal;
    }
  }

  /** Records that the code was entered. Returns the device token. */
  private async recordSuccess(
    verification: Verification,
    client: GuessingClient,
    requester: Requester,
    seen: AdmittedGuess['seen'],
  ): Promise<string> {
    const { phoneNumber, tickets, purpose } = verification;
    // Anyone who knows the number can request messages of a sign-up, so only the messages of this address count.
    const address = purpose === 'sign_up' ? requester.address : null;
    const [deviceToken] = await Promise.all([
      this.guessPolicy.recordSuccess(this.guessedAt(verification), client, requester, seen),
      this.sendPolicy.recordSuccess(phoneNumber, tickets, address, seen),
    ]);
    this.confirmCode.start(verification);
    return deviceToken;
  }
}
