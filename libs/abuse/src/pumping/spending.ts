import { randomBytes } from 'node:crypto';
import { CHANNELS, type Channel } from '#config';
import { type PriceTable, priceOf } from './prices.js';

/** The most that may be spent on messages in one day (UTC): in total, and for each country. */
export interface Caps {
  readonly perDay: number;
  readonly perCountry: number;
}

/** The amounts spent in one day, in millionths. */
export interface Spending {
  total: number;
  countries: Record<string, number>;
}

/** The charge of one message. A refund needs it: the day is over or the price has changed by then, perhaps. */
export interface Charge {
  /** A random id, so that a charge is refunded at most once. */
  readonly id: string;
  /** The day (UTC) that it counts for, such as 2027-01-31. */
  readonly day: string;
  readonly country: string;
  readonly channel: Channel;
  /** In millionths. */
  readonly price: number;
}

export type CapName = 'spend_per_day' | 'spend_per_country';

/** The used share of a cap, before and after one message. */
interface Usage {
  readonly cap: CapName;
  readonly before: number;
  readonly after: number;
}

const MILLIONTHS = 1_000_000;

export function newSpending(): Spending {
  return { total: 0, countries: {} };
}

export function newCharge(now: number, country: string, channel: Channel, table: PriceTable): Charge {
  const id = randomBytes(9).toString('base64url');
  return { id, day: dayOf(now), country, channel, price: priceOf(table, country, channel) };
}

export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}

/** Returns the stored form of a charge. */
export function chargeText({ day, country, channel, price, id }: Charge): string {
  return [day, country, channel, price, id].join('.');
}

/** Returns null for a text that is not a charge. */
export function readCharge(text: string): Charge | null {
  const [day = '', country = '', channel, price = '', id = '', ...rest] = text.split('.');
  const isCharge =
    /^\d{4}-\d{2}-\d{2}$/.test(day) &&
    /^([A-Z]{2}|\+\d{1,3})$/.test(country) &&
    (CHANNELS as readonly unknown[]).includes(channel) &&
    /^\d{1,15}$/.test(price) &&
    /^[\w-]{12}$/.test(id) &&
    rest.length === 0;
  return isCharge ? { day, country, channel: channel as Channel, price: Number(price), id } : null;
}

/** Returns the cap that this charge would exceed, or null. */
export function capReached(
  spending: Spending,
  charge: Pick<Charge, 'country' | 'price'>,
  caps: Caps,
): CapName | null {
  const exceeded = usageBy(spending, charge, caps).find(({ after }) => after > 1);
  return exceeded?.cap ?? null;
}

/**
 * Adds a charge.
 *
 * @returns the caps whose used share reached `warnAt` by this charge.
 */
export function spend(
  spending: Spending,
  charge: Pick<Charge, 'country' | 'price'>,
  caps: Caps,
  warnAt: number,
): CapName[] {
  const usage = usageBy(spending, charge, caps);
  const { country, price } = charge;
  spending.total += price;
  spending.countries[country] = (spending.countries[country] ?? 0) + price;
  return usage.filter(({ before, after }) => before < warnAt && after >= warnAt).map(({ cap }) => cap);
}

/** Subtracts the charge of a message that cost nothing after all. */
export function refund(spending: Spending, { country, price }: Pick<Charge, 'country' | 'price'>): void {
  spending.total = Math.max(0, spending.total - price);
  spending.countries[country] = Math.max(0, (spending.countries[country] ?? 0) - price);
}

function usageBy(spending: Spending, charge: Pick<Charge, 'country' | 'price'>, caps: Caps): Usage[] {
  const { country, price } = charge;
  const share = (cap: CapName, spent: number, limit: number): Usage => {
    const most = Math.round(limit * MILLIONTHS);
    return { cap, before: spent / most, after: (spent + price) / most };
  };
  return [
    share('spend_per_country', spending.countries[country] ?? 0, caps.perCountry),
    share('spend_per_day', spending.total, caps.perDay),
  ];
}
