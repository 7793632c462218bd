import { Injectable } from '@nestjs/common';
import { type GuessingClient, GuessPolicyService, HOLDER_OF_ID, type Requester } from '#abuse';
import type { Channel } from '#config';
import { InvalidClient, Unavailable } from '#errors';
import { type Verification, type VerificationId, VerificationService } from '#otp';
import { type ApiClient, requirePurpose } from './api-clients.js';
import {
  ClientVerificationsService,
  requireOwn,
  type VerifiedNumber,
} from './client-verifications.service.js';
import { type CodeRequest, CodesService } from './codes.service.js';
import { NumberChangeService } from './number-change.service.js';
import { SessionService } from './session.service.js';
import type { Bearer, CreatedSession } from './sessions.repository.js';

/** A session just created. Its secrets are known only now. */
export interface Session extends CreatedSession {
  /** Identifies this device as a known device of the number from now on. */
  readonly deviceToken: string;
}

/** The purpose of a code, and the client that requests it. */
export interface RequestContext {
  readonly purpose: 'sign_in' | 'verify';
  /** Null: a public app. */
  readonly apiClient: ApiClient | null;
}

const PUBLIC_SIGN_IN: RequestContext = { purpose: 'sign_in', apiClient: null };

/** Values that the check of a code needs for some purposes only. */
export interface CheckContext {
  /** Resolves to the owner of the request's token. Called for a change of number only. */
  readonly authenticate: () => Promise<Bearer>;
  /** The client of the API that checks the code. Required for a verification without an account. */
  readonly apiClient: ApiClient | null;
  /** The address of this server, for proofs. */
  readonly issuer: string;
}

/** Requests a code, signs in with it, and cancels it. */
@Injectable()
export class AuthService {
  constructor(
    private readonly codes: CodesService,
    private readonly guessPolicy: GuessPolicyService,
    private readonly verifications: VerificationService,
    private readonly sessions: SessionService,
    private readonly numberChanges: NumberChangeService,
    private readonly clientVerifications: ClientVerificationsService,
  ) {}

  /**
   * Opens a verification. Resolves when its message is durable, before the provider is asked.
   *
   * @param purpose `verify` is for clients of the API only.
   * @throws InvalidClient
   */
  async requestCode(
    request: CodeRequest,
    requester: Requester,
    { purpose, apiClient }: RequestContext = PUBLIC_SIGN_IN,
  ): Promise<Verification> {
    requirePurpose(apiClient, purpose);
    if (purpose === 'sign_in') return this.codes.request({ purpose }, request, requester);
    if (apiClient === null) throw new InvalidClient();
    return this.clientVerifications.request(apiClient, request, requester);
  }

  /**
   * Sends the same code again.
   *
   * @param channel the channel of this message; null for that of the previous one.
   * @param apiClient the client of the API that asks for it; required for a verification without an account.
   * @throws InvalidClient, NotFound, VerificationClosed
   */
  async resendCode(
    id: VerificationId,
    requester: Requester,
    channel: Channel | null,
    apiClient: ApiClient | null = null,
  ): Promise<Verification> {
    const pending = await this.verifications.getPending(id);
    if (pending.purpose === 'verify') requireOwn(pending, apiClient);
    else requirePurpose(apiClient, 'sign_in');
    const device = await this.guessPolicy.deviceOf(this.codes.guessedAt(pending), requester);
    const request = { phoneNumber: pending.phoneNumber, channel: channel ?? pending.route.channel };
    const message = await this.codes.admitMessage(request, requester, device);
    return this.codes.resend(id, message);
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
   * Signs in with the code. Moves the account to the number, or proves the number to a client of the API, if the verification is
   * for that.
   *
   * @throws CodeRejected, InvalidClient, InvalidToken, NotFound, NumberRecycled, RateLimited, Unauthenticated, VerificationClosed
   */
  async checkCode(
    id: VerificationId,
    code: string,
    requester: Requester,
    { authenticate, apiClient, issuer }: CheckContext,
    name?: string | null,
  ): Promise<Session | VerifiedNumber> {
    // Reads before it writes: a store that hangs would run a write when it wakes up, long after the client got 503 and
    // retried. A read that hangs ends here and uses no attempt.
    const pending = await this.verifications.getPending(id).catch(async (refusal) => {
      // `prove` counts the others. A client of the API guesses no ids, and these checks would use up those of all its users.
      const isCounted = apiClient === null && !(refusal instanceof Unavailable);
      if (isCounted) await this.guessPolicy.admitAddress(requester);
      throw refusal;
    });
    const guess = { pending, client: HOLDER_OF_ID, code, requester };
    if (pending.purpose === 'change_number') return this.numberChanges.check(guess, authenticate);
    if (pending.purpose === 'verify') return this.clientVerifications.check(guess, apiClient, issuer);
    requirePurpose(apiClient, 'sign_in');
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
    const session = await this.sessions.create(right.proven, name, sessionClientOf(requester));
    const devicesSince = session.isRecycled ? await this.codes.forgetDevices(right.proven) : null;
    return { deviceToken: this.codes.recordSuccess(right, devicesSince), ...session };
  }
}

/** A backend that does not state the address of its user signs it in from an unknown one. */
function sessionClientOf({ address, userAgent, apiClient }: Requester) {
  return { address: apiClient ? null : address, userAgent };
}
