import { Injectable } from '@nestjs/common';
import { Guesses, type Requester, Sends } from '#abuse';
import { CodeRejected, InvalidToken, NotFound, VerificationClosed } from '#errors';
import { type Channel, localeFor, MessageEvents } from '#messaging';
import { type Purpose, TestNumbers, type Verification, type VerificationId, VerificationService } from '#otp';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { TokensRepository } from '#tokens';
import { type User, UsersRepository } from '#users';
import { ConfirmCodeTask } from './confirm-code.task.js';
import { Deliveries, isWorthAMessage, type Route } from './deliveries.service.js';

/** Characters; the ledger of wrong codes asks for no more. */
const LONGEST_CODE = 10;

export interface CodeRequest {
  readonly phoneNumber: PhoneNumber;
  readonly channel: Channel;
  readonly name?: string | null;
  /** The language that the person chose (BCP 47). */
  readonly locale?: string | null;
  /** The languages that their client would rather have (RFC 9110, section 12.5.4). */
  readonly acceptLanguage?: string | null;
}

/** What was admitted, for whom, and how it travels. */
interface Place extends Route {
  readonly resendAfterMs: number;
  readonly ticket: string | null;
  readonly device: string | null;
  readonly codeLength: number;
}

/** A fresh sign-in: the only moment in which the token is known. */
export interface Session {
  readonly token: string;
  readonly expiresAt: Date;
  readonly user: User;
  readonly isNewUser: boolean;
  /** By which this device is known on the number from now on. */
  readonly deviceToken: string;
}

/** The stories: ask for a code, trade it for a session, find out who holds a token. */
@Injectable()
export class AuthService {
  constructor(
    private readonly sends: Sends,
    private readonly guesses: Guesses,
    private readonly verifications: VerificationService,
    private readonly deliveries: Deliveries,
    private readonly confirmCode: ConfirmCodeTask,
    private readonly testNumbers: TestNumbers,
    private readonly messageEvents: MessageEvents,
    private readonly users: UsersRepository,
    private readonly tokens: TokensRepository,
    private readonly database: Database,
  ) {}

  /** Resolves before the provider is asked, when the message cannot be lost any more. */
  async requestCode(request: CodeRequest, requester: Requester): Promise<Verification> {
    const place = await this.admit(request, requester);
    const verification = await this.open('sign_in', request, place);
    await this.deliveries.start(verification);
    return verification;
  }

  /** The same for whoever knows the number only: to them a number has one such verification at a time. */
  async requestSignUpCode(request: CodeRequest, requester: Requester): Promise<void> {
    const place = await this.admit(request, requester);
    const verification = await this.openOrResend(request, place);
    await this.deliveries.start(verification);
  }

  /**
   * The same code once more.
   *
   * @param channel how it travels this time; null: as the last time.
   */
  async resendCode(id: VerificationId, requester: Requester, channel: Channel | null): Promise<Verification> {
    const found = await this.verifications.get(id);
    if (found.status !== 'pending') throw new VerificationClosed(found.status);
    const device = await this.guesses.deviceOf(found, requester);
    const request = { phoneNumber: found.phoneNumber, channel: channel ?? (found.channel as Channel) };
    const place = await this.admit(request, requester, device);
    const verification = await this.verifications.resend(id, place);
    await this.deliveries.start(verification);
    return verification;
  }

  /** @throws NotFound */
  verification(id: VerificationId): Promise<Verification> {
    return this.verifications.get(id);
  }

  /** The code signs nobody in any more. */
  async cancel(id: VerificationId): Promise<void> {
    await this.guesses.abandoned(await this.verifications.cancel(id));
  }

  async signIn(
    id: VerificationId,
    code: string,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    await this.guesses.admitAddress(requester);
    return this.verifications.check(
      id,
      code,
      (verification) => this.openSession(verification, requester, name),
      (verification) => this.guesses.admit(this.guessable(verification), requester),
    );
  }

  /** Wrong, expired, used and never sent are one answer, because the caller proves nothing but the number. */
  async signUp(
    phoneNumber: PhoneNumber,
    code: string,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    const { device } = await this.guesses.standingOf(phoneNumber, requester);
    const verification = await this.verifications.findOpen('sign_up', phoneNumber, device);
    if (!verification) {
      await this.guesses.admitAddress(requester);
      throw new CodeRejected();
    }
    try {
      return await this.signIn(verification.id, code, requester, name);
    } catch (error) {
      const isRefusal = [CodeRejected, VerificationClosed, NotFound].some((kind) => error instanceof kind);
      throw isRefusal ? new CodeRejected() : error;
    }
  }

  /** Every device that was known on the user's number is a stranger again, the one that asks included. */
  async forgetDevices({ phoneNumber }: User): Promise<void> {
    await this.guesses.forgetDevices(phoneNumber);
  }

  /** @throws InvalidToken */
  async userOf(token: string): Promise<User> {
    const found = await this.tokens.find(token, 'authentication');
    const user = found && (await this.users.find(found.userId));
    if (!user) throw new InvalidToken();
    return user;
  }

  /** Both are looked up for every number, so that the answer takes as long for an unknown one. */
  private async admit(
    { phoneNumber, channel }: Pick<CodeRequest, 'phoneNumber' | 'channel'>,
    requester: Requester,
    openedBy: string | null = null,
  ): Promise<Place> {
    const route = this.deliveries.routeFor(channel, phoneNumber);
    const [standing, known] = await Promise.all([
      this.guesses.standingOf(phoneNumber, requester),
      this.users.isKnown(phoneNumber),
    ]);
    const device = openedBy ?? standing.device;
    const place = { ...route, device, codeLength: standing.codeLength };
    if (this.isTestNumber(phoneNumber)) {
      return { ...place, ...(await this.sends.admitTest(requester)), ticket: null };
    }
    return { ...place, ...(await this.sends.admit(phoneNumber, requester, { device, known })) };
  }

  /** A test number's code cannot become longer: what is left of the ledger are its budgets and waits. */
  private guessable(verification: Verification): Verification {
    return this.isTestNumber(verification.phoneNumber)
      ? { ...verification, codeLength: LONGEST_CODE }
      : verification;
  }

  private isTestNumber(phoneNumber: PhoneNumber): boolean {
    return this.testNumbers.codeOf(phoneNumber) !== null;
  }

  private open(purpose: Purpose, request: CodeRequest, place: Place): Promise<Verification> {
    const { country } = kindOfNumber(request.phoneNumber);
    const { locale: asked = null, acceptLanguage = null } = request;
    const locale = localeFor({ locale: asked, acceptLanguage, country });
    return this.verifications.open({ ...request, ...place, locale, purpose }, place.resendAfterMs);
  }

  private async openOrResend(request: CodeRequest, place: Place): Promise<Verification> {
    const live = await this.verifications.findOpen('sign_up', request.phoneNumber, place.device);
    return live !== null && isWorthAMessage(live)
      ? this.verifications.resend(live.id, { ...place, name: request.name })
      : this.open('sign_up', request, place);
  }

  /** A user and a token, or neither. The token is made first, so that a second try writes the same one. */
  private async openSession(
    verification: Verification,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    const token = this.tokens.generate();
    const { user, isNewUser } = await this.database.transaction(async (transaction) => {
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
      return { user, isNewUser: isNew };
    });
    // Whoever knows the number can ask for messages of a sign-up.
    const isShared = verification.purpose === 'sign_up';
    const [deviceToken] = await Promise.all([
      this.guesses.succeeded(verification, requester),
      this.sends.succeeded(
        verification.phoneNumber,
        verification.tickets,
        isShared ? requester.address : null,
      ),
    ]);
    this.confirmCode.start(verification);
    if (this.isTestNumber(verification.phoneNumber)) this.messageEvents.testNumberUsed('check');
    return { token: token.secret, expiresAt: token.expiresAt, user, isNewUser, deviceToken };
  }
}
