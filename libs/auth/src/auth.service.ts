import { Injectable } from '@nestjs/common';
import { type GuessingClient, GuessPolicyService, HOLDER_OF_ID, type Requester } from '#abuse';
import type { Channel } from '#config';
import { DeliveryService } from '#delivery';
import { Unavailable } from '#errors';
import { type Verification, type VerificationId, VerificationService } from '#otp';
import { type CodeRequest, CodesService } from './codes.service.js';
import { NumberChangeService } from './number-change.service.js';
import { SessionService } from './session.service.js';
import type { Bearer, CreatedSession } from './sessions.repository.js';

/** A session just created. Its secrets are known only now. */
export interface Session extends CreatedSession {
  /** Identifies this device as a known device of the number from now on. */
  readonly deviceToken: string;
}

/** Requests a code, signs in with it, and cancels it. */
@Injectable()
export class AuthService {
  constructor(
    private readonly codes: CodesService,
    private readonly guessPolicy: GuessPolicyService,
    private readonly verifications: VerificationService,
    private readonly delivery: DeliveryService,
    private readonly sessions: SessionService,
    private readonly numberChanges: NumberChangeService,
  ) {}

  /** Opens a verification. Resolves when its message is durable, before the provider is asked. */
  requestCode(request: CodeRequest, requester: Requester): Promise<Verification> {
    return this.codes.request({ purpose: 'sign_in' }, request, requester);
  }

  /**
   * Sends the same code again.
   *
   * @param channel the channel of this message; null for that of the previous one.
   * @throws NotFound, VerificationClosed
   */
  async resendCode(id: VerificationId, requester: Requester, channel: Channel | null): Promise<Verification> {
    const pending = await this.verifications.getPending(id);
    const device = await this.guessPolicy.deviceOf(this.codes.guessedAt(pending), requester);
    const request = { phoneNumber: pending.phoneNumber, channel: channel ?? pending.route.channel };
    const message = await this.codes.admitMessage(request, requester, device);
    const verification = await this.codes.resend(id, message);
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
    await this.guessPolicy.recordAbandoned(this.codes.guessedAt(canceled));
  }

  /**
   * Signs in with the code, or moves the account to the number if the verification is for that.
   *
   * @param authenticate resolves to the owner of the request's token. Called for a change of number only.
   * @throws CodeRejected, InvalidToken, NotFound, NumberRecycled, RateLimited, Unauthenticated, VerificationClosed
   */
  async checkCode(
    id: VerificationId,
    code: string,
    requester: Requester,
    authenticate: () => Promise<Bearer>,
    name?: string | null,
  ): Promise<Session> {
    // Reads before it writes: a store that hangs would run a write when it wakes up, long after the client got 503 and
    // retried. A read that hangs ends here and uses no attempt.
    const pending = await this.verifications.getPending(id).catch(async (refusal) => {
      // `prove` counts the others.
      if (!(refusal instanceof Unavailable)) await this.guessPolicy.admitAddress(requester);
      throw refusal;
    });
    if (pending.purpose === 'change_number')
      return this.numberChanges.check({ pending, client: HOLDER_OF_ID, code, requester }, authenticate);
    return this.signIn(pending, HOLDER_OF_ID, code, requester, name ?? pending.name);
  }

  /**
   * Checks the code that one client of the verification typed in, and signs it in. Counts the check for its address.
   *
   * @param name used when this creates the account.
   * @throws CodeRejected, NotFound, NumberRecycled, RateLimited, VerificationClosed
   */
  async signIn(
    pending: Verification,
    client: GuessingClient,
    code: string,
    requester: Requester,
    name: string | null,
  ): Promise<Session> {
    const right = await this.codes.prove({ pending, client, code, requester });
    const session = await this.sessions.create(right.proven, name, requester);
    if (session.isRecycled) await this.codes.forgetDevices(right.proven);
    return { ...session, deviceToken: await this.codes.recordSuccess(right) };
  }
}
