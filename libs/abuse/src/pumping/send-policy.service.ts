import { Injectable } from '@nestjs/common';
import type { Route } from '#config';
import { PhoneNumberNotAllowed, SendsSuspended } from '#errors';
import { Keys } from '#keys';
import { isReachableBy, kindOfNumber, type PhoneNumber } from '#phone';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { originOf } from '../limits/client-address.js';
import { LimitsService } from '../limits/limits.service.js';
import { describeNumber, type Requester } from '../requester.js';
import type { Snapshot } from '../state/shared-state.js';
import { type Admission, AdmissionService, type AskedMessage } from './admission.service.js';
import { BreakerService, type VerifiedMessages } from './breaker.service.js';
import { scopesOf } from './scopes.js';
import { SpendingService } from './spending.service.js';

/** Decides which messages may be sent. */
@Injectable()
export class SendPolicyService {
  constructor(
    private readonly admission: AdmissionService,
    private readonly limits: LimitsService,
    private readonly breaker: BreakerService,
    private readonly spending: SpendingService,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly options: AbuseOptions,
  ) {}

  /**
   * Admits one message, before anything is paid for it.
   *
   * @param device the known device that the message is for, if it is decided already.
   * @param routes the routes that may carry the message, in order.
   * @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable
   */
  async admit(
    phoneNumber: PhoneNumber,
    requester: Requester,
    { device, isKnownNumber, routes }: Pick<AskedMessage, 'device' | 'isKnownNumber' | 'routes'>,
  ): Promise<Admission> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const address = originOf(requester);
    const details = { address: address.client, ...describeNumber(phoneNumber, phoneIndex) };
    const country = this.requireAllowedNumber(phoneNumber, routes[0].channel, details);
    return this.admission.admit({
      phoneNumber,
      phoneIndex,
      requester,
      client: address.client,
      country,
      routes,
      device,
      details,
      isKnownNumber,
      scopes: scopesOf(address, phoneNumber, country),
    });
  }

  /**
   * Admits a fallback or a retry: another message of a verification whose first one did not arrive. The requester asked
   * only once, so no rate limits apply, but blocks and caps do.
   *
   * @param tickets of the verification's messages so far.
   * @returns the charge of the message; null if it may not be sent.
   * @throws Unavailable
   */
  async admitFallback(
    phoneNumber: PhoneNumber,
    { device, tickets }: { device: string | null; tickets: readonly string[] },
    route: Route,
  ): Promise<string | null> {
    const details = describeNumber(phoneNumber, this.keys.phoneIndexOf(phoneNumber));
    const { country } = kindOfNumber(phoneNumber);
    if (await this.breaker.isBlocked(tickets)) {
      this.events.record('refused', { name: 'fallback', country, ...details });
      return null;
    }
    try {
      return await this.spending.spend({ country, routes: [route], isKnownDevice: device !== null }, details);
    } catch (refusal) {
      if (refusal instanceof SendsSuspended || refusal instanceof PhoneNumberNotAllowed) return null;
      throw refusal;
    }
  }

  /**
   * Charges a notice. No limit and no cap refuses it: its user must learn of it, and the limits on the messages that led to it
   * bound how many there are.
   *
   * @returns the charge; null if messages to the country are not allowed.
   * @throws Unavailable
   */
  async chargeNotice(phoneNumber: PhoneNumber, route: Route): Promise<string | null> {
    const { country } = kindOfNumber(phoneNumber);
    if (!isAllowedCountry(country, this.options.allowedCountries)) return null;
    return this.spending.spendAnyway({ country, routes: [route] });
  }

  /**
   * Admits a request for a test number. No message is sent, so only the limit per address applies.
   *
   * @returns the first cool-down of other numbers, so that a test number looks like one of them.
   * @throws RateLimited, Unavailable
   */
  async admitTestNumber(requester: Requester): Promise<{ resendAfterMs: number }> {
    const { client } = originOf(requester);
    await this.limits.admitAddress('sends_per_address', client, { address: client });
    return { resendAfterMs: this.limits.firstCoolDownMs };
  }

  /**
   * Refunds a message that was not sent, or that its provider refused. Repeating a refund changes nothing.
   *
   * @param charge null for a message that was not charged.
   * @throws Unavailable
   */
  async refund(charge: string | null): Promise<void> {
    if (charge !== null) await this.spending.refund(charge);
  }

  /**
   * Records that the provider refused a message because of its country.
   *
   * @throws Unavailable
   */
  async recordRefusedCountry(phoneNumber: PhoneNumber, route: Route): Promise<void> {
    await this.spending.recordRefusedCountry(kindOfNumber(phoneNumber).country, route);
  }

  /** Records that a message was sent, which shows that the provider serves its country. */
  async recordSent(phoneNumber: PhoneNumber, route: Route): Promise<void> {
    await this.spending.recordSent(kindOfNumber(phoneNumber).country, route);
  }

  /** Records that the provider reported the last of these messages as fraud. Repeating it changes nothing. */
  async reportFraud(tickets: readonly string[]): Promise<void> {
    await this.breaker.recordFraud(tickets.slice(-1));
  }

  /**
   * Prepares the record that the code of these messages was typed in, which shows that they were genuine.
   *
   * @param creditedAddress the only address to credit, when other clients could have requested the messages; null for all.
   */
  findSuccess(
    phoneNumber: PhoneNumber,
    tickets: readonly string[],
    creditedAddress: string | null = null,
  ): VerifiedMessages {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const verified = this.breaker.findVerified(tickets, creditedAddress);
    return {
      keys: [...verified.keys, this.limits.keyOfContest(phoneIndex)],
      record: (draft) => {
        this.limits.clearContest(draft, phoneIndex);
        return verified.record(draft);
      },
    };
  }

  /**
   * Makes the record of `findSuccess`.
   *
   * @param seen the states of its keys, if this request has just seen them.
   * @throws Unavailable
   */
  recordSuccess({ keys, record }: VerifiedMessages, seen: Snapshot | null = null): Promise<void> {
    return this.breaker.decide(keys, record, seen);
  }

  /** Deletes expired states of the abuse policy, which include those of guesses. */
  async purge(): Promise<void> {
    await this.breaker.purge();
  }

  /** @returns the country that the price of a message depends on. */
  private requireAllowedNumber(phoneNumber: PhoneNumber, channel: string, details: Details): string {
    const { country, line } = kindOfNumber(phoneNumber);
    const isReachable = isReachableBy(channel, line);
    if (isReachable && isAllowedCountry(country, this.options.allowedCountries)) return country;
    this.events.record('refused', { name: isReachable ? 'country' : 'line_type', country, ...details });
    throw new PhoneNumberNotAllowed();
  }
}

/** Satellite phones and other numbers without a country are expensive, so they must be named by their calling code. */
export function isAllowedCountry(country: string, allowed: readonly string[] | null): boolean {
  return allowed === null ? !country.startsWith('+') : allowed.includes(country);
}
