import { Injectable } from '@nestjs/common';
import { SendsSuspended } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { type Draft, LedgerState } from '../state/shared-state.js';
import {
  type CapName,
  type Caps,
  capReached,
  newSpending,
  refund,
  type Spending,
  spend,
} from './spending.js';

const DAY_MS = 86_400_000;
const SPENDING_KEPT_MS = 3 * DAY_MS;

/** Keeps the money spent on messages below the caps of the day (UTC). */
@Injectable()
export class SpendingService {
  constructor(
    private readonly ledger: LedgerState,
    private readonly events: AbuseEvents,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /**
   * Refuses a message that would exceed a cap, and spends nothing. It is called early, so that a reached cap does not
   * use up the limits of the number.
   *
   * @throws SendsSuspended, Unavailable
   */
  async requireBudget(country: string, isKnownDevice: boolean, details: Details): Promise<void> {
    const caps = this.capsFor(isKnownDevice);
    const key = this.keyOfToday();
    const cap = await this.ledger.decide([key], (draft) =>
      capReached(spendingOf(draft, key), country, this.options.prices, caps),
    );
    if (cap) this.refuse(cap, country, details);
  }

  /**
   * Spends the price of a message.
   *
   * @throws SendsSuspended, Unavailable
   */
  async spend(country: string, isKnownDevice: boolean, details: Details): Promise<void> {
    const { prices, caps, policy } = this.options;
    const { warnAt } = policy.spending;
    const ownCaps = this.capsFor(isKnownDevice);
    const key = this.keyOfToday();
    const { reached, warnings } = await this.ledger.decide([key], (draft) => {
      const spending = spendingOf(draft, key);
      const reached = capReached(spending, country, prices, ownCaps);
      const warnings = reached ? [] : spend(spending, country, prices, caps, warnAt);
      draft.set(key, spending, { ttlMs: SPENDING_KEPT_MS });
      return { reached, warnings };
    });
    for (const name of warnings) this.events.record('warning', { name, country, share: warnAt });
    if (reached) this.refuse(reached, country, details);
  }

  /** @throws Unavailable */
  async refund(country: string): Promise<void> {
    const key = this.keyOfToday();
    await this.ledger.decide([key], (draft) => {
      const spending = spendingOf(draft, key);
      refund(spending, country, this.options.prices);
      draft.set(key, spending, { ttlMs: SPENDING_KEPT_MS });
    });
  }

  /** Deletes expired records of the ledger, including those of guesses. */
  async purge(): Promise<void> {
    await this.ledger.purge();
  }

  /** A share of each cap is reserved for known devices, so that unknown devices cannot lock them out. */
  private capsFor(isKnownDevice: boolean): Caps {
    const { caps, policy } = this.options;
    const share = isKnownDevice ? 1 : 1 - policy.spending.keptForKnownDevices;
    return { perDay: caps.perDay * share, perCountry: caps.perCountry * share };
  }

  private refuse(name: CapName, country: string, details: Details): never {
    const retryAfterSeconds = Math.ceil((DAY_MS - (this.clock.now() % DAY_MS)) / 1_000);
    this.events.record('refused', { name, country, retry_after: retryAfterSeconds, ...details });
    throw new SendsSuspended(retryAfterSeconds);
  }

  private keyOfToday(): string {
    return `spending:${new Date(this.clock.now()).toISOString().slice(0, 10)}`;
  }
}

function spendingOf(draft: Draft, key: string): Spending {
  return draft.get<Spending>(key) ?? newSpending();
}
