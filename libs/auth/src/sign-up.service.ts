import { Injectable } from '@nestjs/common';
import { GuessPolicyService, type Requester } from '#abuse';
import { isWorthSending } from '#delivery';
import { CodeRejected, NotFound, VerificationClosed } from '#errors';
import { attemptsLeft, type NewClient, type Verification, VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { AuthService, type Session } from './auth.service.js';
import { type AdmittedMessage, type CodeRequest, CodesService } from './codes.service.js';
import { SignUpClients } from './sign-up-clients.js';

/**
 * Signs numbers up: the verification is found by the number, so several clients share it. What belongs to one client, its
 * attempts and the name that it gave, is not shared.
 */
@Injectable()
export class SignUpService {
  constructor(
    private readonly auth: AuthService,
    private readonly codes: CodesService,
    private readonly clients: SignUpClients,
    private readonly guessPolicy: GuessPolicyService,
    private readonly verifications: VerificationService,
  ) {}

  /**
   * Opens the number's sign-up verification, or sends its code again.
   *
   * @returns the token by which the client is recognised when it sends the code.
   */
  async requestCode(request: CodeRequest, requester: Requester): Promise<string> {
    const message = await this.codes.admitMessage(request, requester);
    const token = this.clients.tokenFor(requester);
    await this.openOrResend(request, message, requester, token);
    return token;
  }

  /** Answers a wrong, expired, used or unknown code alike, because the caller proves nothing but the number. */
  async signUp(
    phoneNumber: PhoneNumber,
    code: string,
    requester: Requester,
    name?: string | null,
  ): Promise<Session> {
    const { device } = await this.guessPolicy.standingOf(phoneNumber, requester);
    const open = await this.verifications.findOpen('sign_up', phoneNumber, device);
    const verification = this.clients.choose(open, requester);
    if (!verification) return this.rejectUnchecked(requester);
    const client = this.clients.guessing(verification, requester);
    // Before the ledger: a guess that cannot be compared must not count against the number.
    const attempts = this.guessPolicy.attemptsOf(client);
    if (attempts && attemptsLeft(verification, attempts) <= 0) return this.rejectUnchecked(requester);
    try {
      return await this.auth.signIn(verification, client, code, requester, name ?? client.name);
    } catch (error) {
      const isRefusal = [CodeRejected, VerificationClosed, NotFound].some((kind) => error instanceof kind);
      throw isRefusal ? new CodeRejected() : error;
    }
  }

  /** Rejects a code that `AuthService.signIn` does not get to see, and counts it for the address all the same. */
  private async rejectUnchecked(requester: Requester): Promise<never> {
    await this.guessPolicy.admitAddress(requester);
    throw new CodeRejected();
  }

  private async openOrResend(
    request: CodeRequest,
    message: AdmittedMessage,
    requester: Requester,
    token: string,
  ): Promise<Verification> {
    const { phoneNumber, name = null } = request;
    const open = await this.verifications.findOpen('sign_up', phoneNumber, message.device);
    const alive = open.filter(isWorthSending);
    // The verification of a known device has one client, whose name it keeps itself.
    if (message.device !== null) return this.send(alive[0], request, message, null);
    const client = this.clients.requesting(token, requester, open);
    const usable = alive.filter((live) =>
      this.clients.hasAttempts(live, client, this.guessPolicy.maxAttempts),
    );
    const own = usable.find(({ clients }) => Object.hasOwn(clients, client.id)) ?? usable[0];
    return this.send(own, { ...request, name: null }, message, { ...client, name: name ?? client.name });
  }

  private send(
    live: Verification | undefined,
    request: CodeRequest,
    message: AdmittedMessage,
    client: NewClient | null,
  ): Promise<Verification> {
    const { name, locale, appHash } = request;
    return live
      ? this.codes.resend(live.id, { ...message, name, locale, appHash, client })
      : this.codes.open({ purpose: 'sign_up', client }, request, message);
  }
}
