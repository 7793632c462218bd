import { readFileSync } from 'node:fs';
import prices from './prices.json' with { type: 'json' };

/** Prices of one message by country (ISO 3166-1 alpha-2), in the currency of the caps. */
export interface PriceTable {
  /** The price for all other countries. */
  readonly default: number;
  readonly countries: Readonly<Record<string, number>>;
}

/** The most that may be spent on messages in one day (UTC): in total, and for each country. */
export interface Caps {
  readonly perDay: number;
  readonly perCountry: number;
}

/** The amounts spent in one day. They are integers (millionths), so that sums of prices are exact. */
export interface Spending {
  total: number;
  countries: Record<string, number>;
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

/** Returns the cap that one more message to this country would exceed, or null. */
export function capReached(
  spending: Spending,
  country: string,
  table: PriceTable,
  caps: Caps,
): CapName | null {
  const exceeded = usageBy(spending, country, table, caps).find(({ after }) => after > 1);
  return exceeded?.cap ?? null;
}

/**
 * Adds the price of a message.
 *
 * @returns the caps whose used share reached `warnAt` by this message.
 */
export function spend(
  spending: Spending,
  country: string,
  table: PriceTable,
  caps: Caps,
  warnAt: number,
): CapName[] {
  const usage = usageBy(spending, country, table, caps);
  const price = priceOf(table, country);
  spending.total += price;
  spending.countries[country] = (spending.countries[country] ?? 0) + price;
  return usage.filter(({ before, after }) => before < warnAt && after >= warnAt).map(({ cap }) => cap);
}

/** Subtracts the price of a message that was not sent after all. */
export function refund(spending: Spending, country: string, table: PriceTable): void {
  const price = priceOf(table, country);
  spending.total = Math.max(0, spending.total - price);
  spending.countries[country] = Math.max(0, (spending.countries[country] ?? 0) - price);
}

/** Returns the built-in prices, with those in a JSON file replaced. */
export function readPrices(file: string | null): PriceTable {
  if (file === null) return prices;
  const given = parse(file);
  return {
    default: given.default ?? prices.default,
    countries: { ...prices.countries, ...given.countries },
  };
}

function parse(file: string): Partial<PriceTable> {
  let given: Partial<PriceTable>;
  try {
    given = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // The parser's message would quote the file.
    throw new Error('must be a readable file with valid JSON');
  }
  const isKnown = Object.keys(given ?? {}).every((name) => name === 'default' || name === 'countries');
  const isCountry = (code: string) => /^([A-Z]{2}|\+\d{1,3})$/.test(code);
  if (!isKnown || !Object.keys(given?.countries ?? {}).every(isCountry))
    throw new Error('must have only the members "default" and "countries", with country codes such as US');
  const isPrice = (price: unknown) => typeof price === 'number' && price >= 0;
  if (![given?.default ?? 0, ...Object.values(given?.countries ?? {})].every(isPrice))
    throw new Error('must have prices that are numbers of at least zero');
  return given ?? {};
}

function usageBy(spending: Spending, country: string, table: PriceTable, caps: Caps): Usage[] {
  const price = priceOf(table, country);
  const share = (cap: CapName, spent: number, limit: number): Usage => {
    const most = Math.round(limit * MILLIONTHS);
    return { cap, before: spent / most, after: (spent + price) / most };
  };
  return [
    share('spend_per_country', spending.countries[country] ?? 0, caps.perCountry),
    share('spend_per_day', spending.total, caps.perDay),
  ];
}

function priceOf({ countries, default: usual }: PriceTable, country: string): number {
  return Math.round((countries[country] ?? usual) * MILLIONTHS);
}
