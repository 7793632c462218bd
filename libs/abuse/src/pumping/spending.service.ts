import { Injectable, Logger } from '@nestjs/common';
import { CHANNELS, PROVIDERS, type Route } from '#config';
import { PhoneNumberNotAllowed, SendsSuspended } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { type Draft, SharedState } from '../state/shared-state.js';
import { afterRefusal, afterSent, type CountryRecord, isRefused, keyOfCountry } from './served-countries.js';
import {
  type CapName,
  type Caps,
  type Charge,
  capReached,
  chargeText,
  dayOf,
  newCharge,
  newSpending,
  readCharge,
  refund,
  type Spending,
  spend,
} from './spending.js';

const DAY_MS = 86_400_000;
const SPENDING_KEPT_MS = 3 * DAY_MS;

/** A process records at most one sent message an hour of each country and route. */
const RECORD_SENT_EVERY_MS = 3_600_000;

/** A message to be paid for. */
export interface PaidMessage extends PricedMessage {
  readonly isKnownDevice: boolean;
}

interface PricedMessage {
  readonly country: string;
  /** The routes that may carry it, in order. The first one has the price. */
  readonly routes: readonly [Route, ...Route[]];
}

/** The money spent today (UTC) on messages, and the routes that do not serve a country now. */
export interface SpendingStatus {
  readonly day: string;
  /** In millionths. */
  readonly spent: { readonly total: number; readonly country: number };
  readonly notServedBy: readonly Route[];
}

export type Obstacle = CapName | 'country_not_served';

/** Keeps the money spent on messages below the caps of the day (UTC), and spends none on countries without service. */
@Injectable()
export class SpendingService {
  private readonly logger = new Logger('Abuse');
  /** When this process last recorded a sent message, by the key of its country. */
  private readonly recordedSentAt = new Map<string, number>();

  constructor(
    private readonly state: SharedState,
    private readonly events: AbuseEvents,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** Returns what a message will be charged. */
  chargeFor({ country, routes }: PricedMessage): Charge {
    return newCharge(this.clock.now(), country, routes[0].channel, this.options.prices);
  }

  /** Returns the keys of the states that decide whether a message can be paid for. */
  keysOf({ country, routes }: PricedMessage, charge: Charge): string[] {
    return [keyOf(charge), ...routes.map((route) => keyOfCountry(route, country))];
  }

  /** Returns why a message cannot be paid for, inside a decision on the keys of `keysOf`. */
  obstacleTo(message: PaidMessage, charge: Charge, draft: Draft): Obstacle | null {
    const { country, routes, isKnownDevice } = message;
    const now = this.clock.now();
    const isUnserved = routes.every((route) => {
      const record = draft.get<CountryRecord>(keyOfCountry(route, country)) ?? {};
      return isRefused(record, now, this.options.policy.spending);
    });
    if (isUnserved) return 'country_not_served';
    return capReached(spendingOf(draft, charge), charge, this.capsFor(isKnownDevice));
  }

  /** Adds a charge, inside a decision on the keys of `keysOf`. Returns the caps to warn of. */
  charge(charge: Charge, draft: Draft): CapName[] {
    const { caps, policy } = this.options;
    const spending = spendingOf(draft, charge);
    const warnings = spend(spending, charge, caps, policy.spending.warnAt);
    draft.set(keyOf(charge), spending, { ttlMs: SPENDING_KEPT_MS });
    return warnings;
  }

  /** Records that caps are nearly reached. */
  warn(caps: readonly CapName[], { country }: Charge): void {
    const share = this.options.policy.spending.warnAt;
    for (const name of caps) this.events.record('warning', { name, country, share });
  }

  /**
   * Spends the price of a message.
   *
   * @returns the charge, which `refund` needs.
   * @throws PhoneNumberNotAllowed, SendsSuspended, Unavailable
   */
  async spend(message: PaidMessage, details: Details): Promise<string> {
    const charge = this.chargeFor(message);
    const decide = (draft: Draft) => {
      const obstacle = this.obstacleTo(message, charge, draft);
      return { obstacle, warnings: obstacle ? [] : this.charge(charge, draft) };
    };
    const { obstacle, warnings } = await this.state.decide(this.keysOf(message, charge), decide);
    this.warn(warnings, charge);
    if (obstacle) this.refuse(obstacle, charge, details);
    return chargeText(charge);
  }

  /**
   * Spends the price of a message that no cap may refuse.
   *
   * @returns the charge, which `refund` needs.
   * @throws Unavailable
   */
  async spendAnyway(message: PricedMessage): Promise<string> {
    const charge = this.chargeFor(message);
    const warnings = await this.state.decide([keyOf(charge)], (draft) => this.charge(charge, draft));
    this.warn(warnings, charge);
    return chargeText(charge);
  }

  /**
   * Refunds a charge to the day and the country that it was counted for. Repeating a refund changes nothing.
   *
   * @throws Unavailable
   */
  async refund(text: string): Promise<void> {
    const charge = readCharge(text);
    if (!charge) return;
    const refunded = `refund:${charge.id}`;
    await this.state.decide([keyOf(charge), refunded], (draft) => {
      const spending = draft.get<Spending>(keyOf(charge));
      if (!spending || draft.get(refunded)) return;
      refund(spending, charge);
      draft.set(keyOf(charge), spending, { ttlMs: SPENDING_KEPT_MS });
      draft.set(refunded, {}, { ttlMs: SPENDING_KEPT_MS });
    });
  }

  /**
   * Records that a provider refused a message because of its country.
   *
   * @throws Unavailable
   */
  async recordRefusedCountry(country: string, route: Route): Promise<void> {
    const key = keyOfCountry(route, country);
    const now = this.clock.now();
    const rules = this.options.policy.spending;
    const isNew = await this.state.decide([key], (draft) => {
      const before = draft.get<CountryRecord>(key) ?? {};
      const after = afterRefusal(before, now, rules);
      draft.set(key, after, { ttlMs: DAY_MS });
      return isRefused(after, now, rules) && !isRefused(before, now, rules);
    });
    if (isNew) this.events.record('warning', { name: 'country_not_served', country, ...route });
  }

  /** Records that a message was sent. The message is on its way already, so a failure is logged, not thrown. */
  async recordSent(country: string, route: Route): Promise<void> {
    const key = keyOfCountry(route, country);
    const now = this.clock.now();
    if (now - (this.recordedSentAt.get(key) ?? 0) < RECORD_SENT_EVERY_MS) return;
    this.recordedSentAt.set(key, now);
    await this.state
      .decide([key], (draft) => {
        draft.set(key, afterSent(now), { ttlMs: DAY_MS });
      })
      .catch((error: Error) => {
        this.recordedSentAt.delete(key);
        this.logger.warn(`could not record a country as served: ${error.message}`);
      });
  }

  /**
   * Returns what limits the messages to a country now. Changes nothing.
   *
   * @throws Unavailable
   */
  statusOf(country: string): Promise<SpendingStatus> {
    const now = this.clock.now();
    const routes = CHANNELS.flatMap((channel) => PROVIDERS.map((provider) => ({ channel, provider })));
    const day = dayOf(now);
    return this.state.decide([keyOf({ day }), ...routes.map((r) => keyOfCountry(r, country))], (draft) => {
      const { total, countries } = draft.get<Spending>(keyOf({ day })) ?? newSpending();
      const isUnserved = (route: Route) => {
        const record = draft.get<CountryRecord>(keyOfCountry(route, country)) ?? {};
        return isRefused(record, now, this.options.policy.spending);
      };
      const spent = { total, country: countries[country] ?? 0 };
      return { day, spent, notServedBy: routes.filter(isUnserved) };
    });
  }

  /** A share of each cap is reserved for known devices, so that unknown devices cannot lock them out. */
  private capsFor(isKnownDevice: boolean): Caps {
    const { caps, policy } = this.options;
    const share = isKnownDevice ? 1 : 1 - policy.spending.keptForKnownDevices;
    return { perDay: caps.perDay * share, perCountry: caps.perCountry * share };
  }

  /** @throws PhoneNumberNotAllowed, SendsSuspended */
  refuse(name: Obstacle, { country, channel }: Charge, details: Details): never {
    if (name === 'country_not_served') {
      this.events.record('refused', { name, country, channel, ...details });
      throw new PhoneNumberNotAllowed();
    }
    const retryAfterSeconds = Math.ceil((DAY_MS - (this.clock.now() % DAY_MS)) / 1_000);
    this.events.record('refused', { name, country, retry_after: retryAfterSeconds, ...details });
    throw new SendsSuspended(retryAfterSeconds);
  }
}

function keyOf({ day }: Pick<Charge, 'day'>): string {
  return `spending:${day}`;
}

function spendingOf(draft: Draft, charge: Charge): Spending {
  return draft.get<Spending>(keyOf(charge)) ?? newSpending();
}
