import { Injectable } from '@nestjs/common';
import type { Requester } from '#abuse';
import { InvalidClient, NotFound } from '#errors';
import { type Verification, type VerificationId, VerificationService } from '#otp';
import { maskPhoneNumber, type PhoneNumber } from '#phone';
import { SignedTokensService } from '#tokens';
import { WebhookEvents } from '#webhooks';
import type { ApiClient } from './api-clients.js';
import { type CodeRequest, CodesService, type Guess } from './codes.service.js';

/** A number that was proven to a client of the API. */
export interface VerifiedNumber {
  readonly verificationId: VerificationId;
  readonly phoneNumber: PhoneNumber;
  readonly verifiedAt: Date;
  /** A JWT that the client can show to others. */
  readonly proof: string;
}

/** Verifies numbers for clients of the API: no account and no session. See docs/decisions/0078. */
@Injectable()
export class ClientVerificationsService {
  constructor(
    private readonly codes: CodesService,
    private readonly verifications: VerificationService,
    private readonly signedTokens: SignedTokensService,
    private readonly webhooks: WebhookEvents,
  ) {}

  /** Opens a verification that belongs to the client, which has the purpose. */
  request(client: ApiClient, request: CodeRequest, requester: Requester): Promise<Verification> {
    return this.codes.request({ purpose: 'verify', apiClient: client.id }, request, requester);
  }

  /** Returns the newest verification of the number that the client opened and that still takes codes. */
  async findOpen(client: ApiClient, phoneNumber: PhoneNumber): Promise<Verification | null> {
    const open = await this.verifications.findOpen('verify', phoneNumber, null);
    return open.find(({ apiClient }) => apiClient === client.id) ?? null;
  }

  /**
   * Returns the verification of the client.
   *
   * @throws NotFound for one of another client or purpose, as if it did not exist.
   */
  async get(client: ApiClient, id: VerificationId): Promise<Verification> {
    const found = await this.verifications.get(id);
    if (found.purpose !== 'verify' || found.apiClient !== client.id) throw new NotFound('verification');
    return found;
  }

  /**
   * Returns the newest verification of the number that the client opened, of every status.
   *
   * @throws NotFound
   */
  async newestOf(client: ApiClient, phoneNumber: PhoneNumber): Promise<Verification> {
    const newest = await this.verifications.findByNumber(phoneNumber);
    const own = newest.find(({ purpose, apiClient }) => purpose === 'verify' && apiClient === client.id);
    if (!own) throw new NotFound('verification');
    return own;
  }

  /**
   * Checks the code, and signs the proof. The proof is returned only if the approval is recorded, so that a verification has
   * one.
   *
   * @param issuer the address of this server.
   * @throws CodeRejected, InvalidClient, NotFound, RateLimited, VerificationClosed
   */
  async check(guess: Guess, client: ApiClient | null, issuer: string): Promise<VerifiedNumber> {
    const { id: audience } = requireOwn(guess.pending, client);
    const right = await this.codes.prove(guess);
    const { id: verificationId, phoneNumber, readAt: verifiedAt } = right.proven;
    const claims = { issuer, audience, phoneNumber, verificationId };
    const claimed = await this.verifications.claim(right.proven);
    const proof = await this.verifications.completeOnce(claimed, async () => {
      const signed = await this.signedTokens.signProof(claims);
      // Before the approval: after it a crash would lose the event. If it cannot be stored, the code can be entered again.
      await this.tellReceiver(right.proven);
      return signed;
    });
    this.codes.recordSuccess(right);
    return { verificationId, phoneNumber, verifiedAt, proof };
  }

  /** @throws Unavailable */
  private async tellReceiver(verification: Verification): Promise<void> {
    const { id: verification_id, purpose, route, phoneNumber, apiClient: client_id } = verification;
    if (client_id === null) throw new Error('a verification without an account has no client');
    const phone_number = maskPhoneNumber(phoneNumber);
    const data = { verification_id, purpose, channel: route.channel, client_id, phone_number };
    await this.webhooks.store({ type: 'verification.approved', data }, phoneNumber);
  }
}

/**
 * Returns the client if the verification is its own.
 *
 * @throws InvalidClient without a client. NotFound for the verification of another one, as if it did not exist.
 */
export function requireOwn({ apiClient }: Verification, client: ApiClient | null): ApiClient {
  if (client === null) throw new InvalidClient();
  if (apiClient !== client.id) throw new NotFound('verification');
  return client;
}
