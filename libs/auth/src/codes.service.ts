import { Injectable, Logger } from '@nestjs/common';
import {
  type AdmittedGuess,
  type GuessingClient,
  GuessPolicyService,
  type Requester,
  SendPolicyService,
  type VerifiedMessages,
} from '#abuse';
import { BackgroundService } from '#background';
import type { Channel, Route } from '#config';
import { ConfirmCodeTask, DeliveryService } from '#delivery';
import { AppError, Unavailable } from '#errors';
import {
  type NewClient,
  type ProvenVerification,
  type Purpose,
  type Verification,
  type VerificationId,
  VerificationService,
} from '#otp';
import type { PhoneNumber } from '#phone';
import { UsersRepository } from '#users';

export interface CodeRequest {
  readonly phoneNumber: PhoneNumber;
  readonly channel: Channel;
  readonly name?: string | null;
  /** The language of the message (BCP 47). */
  readonly locale: string;
  /** The configured hash of the Android app that reads the SMS. */
  readonly appHash?: string | null;
}

/** The purpose of a verification, with the client or the session that it belongs to. */
export interface VerificationSubject {
  readonly purpose: Purpose;
  /** The client that requests it, if several clients can. */
  readonly client?: NewClient | null;
  /** The session that a change of number is bound to. */
  readonly sessionId?: string | null;
  /** The client of the API that a verification without an account is bound to. */
  readonly apiClient?: string | null;
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

/** A code that one client of a verification typed in. */
export interface Guess {
  readonly pending: Verification;
  readonly client: GuessingClient;
  readonly code: string;
  readonly requester: Requester;
}

/** A right code. `recordSuccess` needs it. */
export interface ProvenCode {
  readonly proven: ProvenVerification;
  readonly requester: Requester;
  readonly admitted: AdmittedGuess;
  /** The messages that brought the code. */
  readonly messages: VerifiedMessages;
}

/** Sends codes and compares them, under the abuse policy. Gives nothing for a right code: its callers do. */
@Injectable()
export class CodesService {
  private readonly logger = new Logger('Abuse');

  constructor(
    private readonly sendPolicy: SendPolicyService,
    private readonly guessPolicy: GuessPolicyService,
    private readonly verifications: VerificationService,
    private readonly delivery: DeliveryService,
    private readonly confirmCode: ConfirmCodeTask,
    private readonly users: UsersRepository,
    private readonly background: BackgroundService,
  ) {}

  /** Opens a verification. Resolves when its message is durable, before the provider is asked. */
  async request(
    subject: VerificationSubject,
    request: CodeRequest,
    requester: Requester,
  ): Promise<Verification> {
    return this.open(subject, request, await this.admitMessage(request, requester));
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
      await this.verifications.ready();
      const { device, codeLength } = await this.guessPolicy.standingOf(phoneNumber, requester);
      const { resendAfterMs } = await this.sendPolicy.admitTestNumber(requester);
      const message = { device: openedBy ?? device, codeLength, resendAfterMs };
      return { route, hasFallback, ...message, ticket: null, charge: null };
    }
    const isKnownNumber = async () => {
      // Fails before the message is counted, if its verification could not be stored.
      const [isKnown] = await Promise.all([this.users.isKnown(phoneNumber), this.verifications.ready()]);
      return isKnown;
    };
    const asked = { device: openedBy, isKnownNumber, routes };
    return { route, hasFallback, ...(await this.sendPolicy.admit(phoneNumber, requester, asked)) };
  }

  /** Opens a verification and starts its message, which the abuse policy has admitted. */
  async open(
    subject: VerificationSubject,
    request: CodeRequest,
    message: AdmittedMessage,
  ): Promise<Verification> {
    const { phoneNumber, name, locale, appHash } = request;
    const opened = { phoneNumber, name, locale, appHash, ...message, ...subject };
    return this.start(await this.verifications.open(opened, message.resendAfterMs));
  }

  /**
   * Starts one more message with the same code. Refunds the message when the verification takes no more. After `Unavailable` it
   * may be queued all the same.
   */
  async resend(
    id: VerificationId,
    message: AdmittedMessage &
      Partial<Pick<CodeRequest, 'name' | 'locale' | 'appHash'>> & { client?: NewClient | null },
  ): Promise<Verification> {
    try {
      return this.start(await this.verifications.resend(id, message));
    } catch (refusal) {
      const isCertain = refusal instanceof AppError && !(refusal instanceof Unavailable);
      if (isCertain) await this.sendPolicy.refund(message.charge);
      throw refusal;
    }
  }

  /**
   * Compares the code. Counts the guess for its number and its address, and the attempt, before it compares.
   *
   * @param isUsable resolves to false if a right code is to be rejected as a wrong one. Called for every guess, so that both
   * take the same time.
   * @throws CodeRejected, NotFound, RateLimited, VerificationClosed
   */
  async prove(guess: Guess, isUsable: (() => Promise<boolean>) | null = null): Promise<ProvenCode> {
    const { pending, client, code, requester } = guess;
    const messages = this.messagesOf(pending, requester);
    const guessed = this.guessedAt(pending);
    const admitted =
      (await this.guessPolicy.admit(guessed, client, requester, messages.keys)) ??
      (await this.verifications.exhaust(pending.id));
    // Without a pause: a guess beyond the budget closes the verification, and must not overtake those that are admitted.
    const proven = await this.verifications.attempt(admitted, code, isUsable === null || (await isUsable()));
    // A message may have been added since.
    const all = proven.tickets === pending.tickets ? messages : this.messagesOf(proven, requester);
    return { proven, requester, admitted, messages: all };
  }

  /**
   * Records that the code was entered, for its one winner. The answer does not wait for it: a record that is lost leaves the
   * abuse policy stricter, and the user is signed in already.
   *
   * @param devicesSince the result of `forgetDevices`, if the number was recycled.
   * @returns the device token.
   */
  recordSuccess({ proven, admitted, messages }: ProvenCode, devicesSince: Date | null = null): string {
    const guess = devicesSince === null ? admitted : { ...admitted, device: null };
    this.background.run('typos were not forgiven', () => this.guessPolicy.recordSuccess(guess));
    this.background.run('a verified message was not recorded', () =>
      this.sendPolicy.recordSuccess(messages, guess.seen),
    );
    this.confirmCode.start(proven);
    return this.guessPolicy.issueDeviceToken(proven.phoneNumber, guess.device, devicesSince);
  }

  /**
   * Revokes the known devices of a recycled number: they belong to the former holder. The user is signed in
   * already, so a failure is logged, not thrown.
   *
   * @returns the time from which tokens of its devices are valid; null if they were not revoked.
   */
  async forgetDevices({ phoneNumber }: Verification): Promise<Date | null> {
    return this.guessPolicy.forgetDevices(phoneNumber).catch((failure: Error) => {
      this.logger.warn(`the devices of a recycled number were not revoked: ${failure.message}`);
      return null;
    });
  }

  private start(verification: Verification): Verification {
    this.delivery.start(verification);
    return verification;
  }

  private messagesOf(
    { phoneNumber, tickets, purpose }: Verification,
    { address }: Requester,
  ): VerifiedMessages {
    // Anyone who knows the number can request messages of a sign-up, so only the messages of this address count.
    return this.sendPolicy.findSuccess(phoneNumber, tickets, purpose === 'sign_up' ? address : null);
  }

  /** Returns the verification as the guess policy needs it. */
  guessedAt(verification: Verification) {
    return { hasFixedCode: this.verifications.isTestNumber(verification.phoneNumber), ...verification };
  }
}
