import { Injectable, Logger } from '@nestjs/common';
import type { Route } from '#config';
import { AppError, PhoneNumberNotAllowed, SendsSuspended, Unavailable } from '#errors';
import { Keys } from '#keys';
import { isReachableBy, kindOfNumber, type PhoneNumber } from '#phone';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { clientAddressOf } from '../limits/client-address.js';
import { LimitsService } from '../limits/limits.service.js';
import { describeNumber, type Requester } from '../requester.js';
import type { MessageRequest } from './breaker.js';
import { BreakerService } from './breaker.service.js';
import type { Proof } from './proof-of-work.js';
import { isNumberRange, scopesOf } from './scopes.js';
import { type PaidMessage, SpendingService } from './spending.service.js';
import { StepUpService } from './step-up.service.js';

/** An admitted message. */
export interface Admission {
  /** Milliseconds until the next message may be requested. */
  readonly resendAfterMs: number;
  /** The message's entry in the breaker, sealed. `recordSuccess`, `reportFraud` and `admitFallback` need it. */
  readonly ticket: string;
  /** The charge of the message, for `refund`. */
  readonly charge: string;
}

/** A message to an allowed number, with everything that the checks need. */
interface CheckedMessage extends Omit<MessageRequest, 'proven'> {
  readonly phoneIndex: string;
  readonly paid: PaidMessage;
  readonly client: string;
  readonly details: Details;
  /** Valid and unused when the request came in. */
  readonly proof: Proof | null;
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
   * Admits one message, before anything is paid for it. What refuses for free comes before what is counted, so a refused
   * request uses nothing up and leaves nothing behind.
   *
   * @param device the known device that requests it.
   * @param known true if the number has signed in before.
   * @param routes the routes that may carry the message, in order.
   * @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable
   */
  async admit(
    phoneNumber: PhoneNumber,
    requester: Requester,
    { device, known, routes }: { device: string | null; known: boolean; routes: PaidMessage['routes'] },
  ): Promise<Admission> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const address = clientAddressOf(requester.address);
    const details = { ...describeNumber(phoneNumber, phoneIndex), address: address.client };
    const country = this.requireAllowedNumber(phoneNumber, routes[0].channel, details);
    const message = {
      ...{ phoneIndex, details, client: address.client },
      knownNumber: known,
      knownDevice: device !== null,
      scopes: scopesOf(address, phoneNumber, country),
      proof: await this.stepUp.readProof(phoneIndex, requester.proof),
      paid: { country, routes, isKnownDevice: device !== null },
    };
    await this.spending.requireBudget(message.paid, details);
    await this.requireAdmissible(message);
    return this.count(message);
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

  /**
   * Refuses a message that may not be sent now, and counts nothing. Checks that exempt numbers which have signed in before
   * come last: an earlier one would tell by its absence who has an account.
   */
  private async requireAdmissible(message: CheckedMessage): Promise<void> {
    const { phoneIndex, client, details, proof } = message;
    const verdict = await this.breaker.assess({ ...message, proven: proof !== null });
    const isByNumberRange = verdict.outcome !== 'send' && isNumberRange(verdict.scope);
    if (!isByNumberRange) await this.breaker.enforce(verdict, phoneIndex, details);
    const { contested } = await this.limits.requireMessage(limitKeyOf(message), client, details);
    if (this.options.breakerEnforced) await this.requireProofIfContested(message, contested, proof !== null);
    if (!isByNumberRange) return;
    // This answer tells that the number has not signed in before, so it counts as a message of the address.
    await this.limits.admitAddress('sends_per_address', client, details);
    await this.breaker.enforce(verdict, phoneIndex, details);
  }

  /** Counts a message everywhere. Refunds the counts if a concurrent request left nothing for this one. */
  private async count(message: CheckedMessage): Promise<Admission> {
    const { client, details, proof } = message;
    await this.limits.admitAddress('sends_per_address', client, details);
    const reservation = await this.limits.admitMessage(limitKeyOf(message), details);
    const proven = proof !== null && (await this.stepUp.useProof(proof));
    try {
      await this.requireProofIfContested(message, reservation.contested, proven);
      const ticket = await this.breaker.admit({ ...message, proven }, details);
      const charge = await this.spendOrWithdraw(message, ticket);
      return { resendAfterMs: reservation.resendAfterMs, ticket, charge };
    } catch (refusal) {
      if (refusal instanceof AppError && !(refusal instanceof Unavailable)) {
        await reservation.refund();
        if (proven) await this.stepUp.returnProof(proof);
      }
      throw refusal;
    }
  }

  /** @throws PhoneNumberNotAllowed, SendsSuspended, Unavailable */
  private async spendOrWithdraw({ paid, details }: CheckedMessage, ticket: string): Promise<string> {
    try {
      return await this.spending.spend(paid, details);
    } catch (refusal) {
      await this.breaker.withdraw(ticket);
      throw refusal;
    }
  }

  private async requireProofIfContested(
    { phoneIndex, knownDevice, details }: CheckedMessage,
    contested: boolean,
    proven: boolean,
  ): Promise<void> {
    if (!contested || knownDevice || proven) return;
    await this.stepUp.requireProof('contested', phoneIndex, this.options.policy.proof.hashes, details);
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

/** Known devices of a number have limits of their own, which unknown devices cannot use up. */
export function limitKeyOf({
  phoneIndex,
  knownDevice,
}: Pick<CheckedMessage, 'phoneIndex' | 'knownDevice'>): string {
  return knownDevice ? `${phoneIndex}:known` : phoneIndex;
}
