import { Injectable, Logger } from '@nestjs/common';
import { AppError, PhoneNumberNotAllowed, SendsSuspended, Unavailable } from '#errors';
import { Keys } from '#keys';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { clientAddressOf } from '../limits/client-address.js';
import { LimitsService } from '../limits/limits.service.js';
import { describeNumber, type Requester } from '../requester.js';
import { BreakerService } from './breaker.service.js';
import { scopesOf } from './scopes.js';
import { SpendingService } from './spending.service.js';
import { StepUpService } from './step-up.service.js';

/** An admitted message. */
export interface Admission {
  /** Milliseconds until the next message may be requested. */
  readonly resendAfterMs: number;
  /** The message's entry in the breaker, sealed. `recordSuccess`, `reportFraud` and `admitFallback` need it. */
  readonly ticket: string;
}

/** Decides which messages may be sent: the steps of admitting one, in order. */
@Injectable()
export class SendPolicyService {
  private readonly logger = new Logger('Abuse');

  constructor(
    private readonly limits: LimitsService,
    private readonly stepUp: StepUpService,
    private readonly breaker: BreakerService,
    private readonly spending: SpendingService,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly options: AbuseOptions,
  ) {}

  /**
   * Admits one message, before anything is paid for it.
   *
   * @param device the known device that requests it.
   * @param known true if the number has signed in before.
   * @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable
   */
  async admit(
    phoneNumber: PhoneNumber,
    requester: Requester,
    { device, known }: { device: string | null; known: boolean },
  ): Promise<Admission> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const address = clientAddressOf(requester.address);
    const details = { ...describeNumber(phoneNumber, phoneIndex), address: address.client };
    const knownDevice = device !== null;

    const country = this.requireAllowedNumber(phoneNumber, details);
    await this.limits.admitAddress('sends_per_address', address.client, details);
    await this.spending.requireBudget(country, knownDevice, details);
    const reservation = await this.limits.admitMessage(limitKeyOf(phoneIndex, knownDevice), details);
    try {
      const proven = await this.stepUp.acceptProof(phoneIndex, requester.proof);
      if (reservation.contested && !knownDevice && !proven)
        await this.stepUp.requireProof('contested', phoneIndex, this.options.policy.proof.hashes, details);
      const scopes = scopesOf(address, phoneNumber, country);
      const request = { scopes, knownNumber: known, knownDevice, proven };
      const ticket = await this.breaker.admit(request, phoneIndex, details);
      await this.spending.spend(country, knownDevice, details);
      return { resendAfterMs: reservation.resendAfterMs, ticket };
    } catch (refusal) {
      if (refusal instanceof AppError && !(refusal instanceof Unavailable)) await reservation.refund();
      throw refusal;
    }
  }

  /**
   * Admits a fallback or a retry: another message of a verification whose first one did not arrive. The requester asked
   * only once, so no rate limits apply, but blocks and caps do.
   *
   * @param tickets of the verification's messages so far.
   * @throws Unavailable
   */
  async admitFallback(
    phoneNumber: PhoneNumber,
    { device, tickets }: { device: string | null; tickets: readonly string[] },
  ): Promise<boolean> {
    const details = describeNumber(phoneNumber, this.keys.phoneIndexOf(phoneNumber));
    const { country } = kindOfNumber(phoneNumber);
    if (await this.breaker.isBlocked(tickets)) {
      this.events.record('refused', { name: 'fallback', country, ...details });
      return false;
    }
    try {
      await this.spending.spend(country, device !== null, details);
      return true;
    } catch (refusal) {
      if (refusal instanceof SendsSuspended) return false;
      throw refusal;
    }
  }

  /**
   * Admits a request for a test number. No message is sent, so only the limit per address applies.
   *
   * @returns the first cool-down of other numbers, so that a test number looks like one of them.
   * @throws RateLimited, Unavailable
   */
  async admitTestNumber({ address }: Requester): Promise<{ resendAfterMs: number }> {
    const { client } = clientAddressOf(address);
    await this.limits.admitAddress('sends_per_address', client, { address: client });
    return { resendAfterMs: this.limits.firstCoolDownMs };
  }

  /** Refunds the price of a message that was admitted but never sent. */
  async refund(phoneNumber: PhoneNumber): Promise<void> {
    await this.spending.refund(kindOfNumber(phoneNumber).country);
  }

  /** Records that the provider reported the last of these messages as fraud. */
  async reportFraud(tickets: readonly string[]): Promise<void> {
    await this.breaker.recordFraud(tickets.slice(-1));
  }

  /**
   * Records that the code was typed in, which shows that its messages were genuine. The user is signed in already, so
   * failures are logged, not thrown.
   *
   * @param creditedAddress the only address to credit, when other clients could have requested the messages; null for all.
   */
  async recordSuccess(
    phoneNumber: PhoneNumber,
    tickets: readonly string[],
    creditedAddress: string | null = null,
  ): Promise<void> {
    const outcomes = await Promise.allSettled([
      this.breaker.recordVerified(tickets, creditedAddress),
      this.limits.clearContest(this.keys.phoneIndexOf(phoneNumber)),
    ]);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        this.logger.warn(`could not record a verified message: ${outcome.reason}`);
    }
  }

  /** Deletes expired counts and states. */
  async purge(): Promise<void> {
    await this.limits.purge();
    await this.breaker.purge();
    await this.spending.purge();
  }

  /** @returns the country that the price of a message depends on. */
  private requireAllowedNumber(phoneNumber: PhoneNumber, details: Details): string {
    const { country, isMobile } = kindOfNumber(phoneNumber);
    const { allowedCountries } = this.options;
    const isAllowed = isMobile && (allowedCountries === null || allowedCountries.includes(country));
    if (isAllowed) return country;
    this.events.record('refused', { name: isMobile ? 'country' : 'line_type', country, ...details });
    throw new PhoneNumberNotAllowed();
  }
}

/** Known devices of a number have limits of their own, which unknown devices cannot use up. */
function limitKeyOf(phoneIndex: string, knownDevice: boolean): string {
  return knownDevice ? `${phoneIndex}:known` : phoneIndex;
}
