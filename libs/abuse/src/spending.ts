import { readFileSync } from 'node:fs';
import prices from './prices.json' with { type: 'json' };

/** What a message costs, by country (ISO 3166-1 alpha-2), in the unit of money that the caps are in. */
export interface PriceTable {
  /** For countries that are not in the table. */
  readonly default: number;
  readonly countries: Readonly<Record<string, number>>;
}

/** What may be spent on messages in a day (UTC), in all and in one country. */
export interface Caps {
  readonly perDay: number;
  readonly perCountry: number;
}

/** What was spent in one day, in millionths, so that sums of prices stay exact. */
export interface Spending {
  total: number;
  countries: Record<string, number>;
}

export type CapName = 'spend_per_day' | 'spend_per_country';

/** The share of a cap that a message brought it to. */
interface Filled {
  readonly cap: CapName;
  readonly before: number;
  readonly after: number;
}

const MILLIONTHS = 1_000_000;

export function newSpending(): Spending {
  return { total: 0, countries: {} };
}

/** The cap that has no room for one more message to this country; null: there is room. */
export function capReached(
  spending: Spending,
  country: string,
  table: PriceTable,
  caps: Caps,
): CapName | null {
  const full = filledBy(spending, country, table, caps).find(({ after }) => after > 1);
  return full?.cap ?? null;
}

/**
 * Counts a message.
 *
 * @returns the caps that it brought to this share.
 */
export function spend(
  spending: Spending,
  country: string,
  table: PriceTable,
  caps: Caps,
  warnAt: number,
): CapName[] {
  const filled = filledBy(spending, country, table, caps);
  const price = priceOf(table, country);
  spending.total += price;
  spending.countries[country] = (spending.countries[country] ?? 0) + price;
  return filled.filter(({ before, after }) => before < warnAt && after >= warnAt).map(({ cap }) => cap);
}

/** Takes a message out of the count again that was not paid for after all. */
export function giveBack(spending: Spending, country: string, table: PriceTable): void {
  const price = priceOf(table, country);
  spending.total = Math.max(0, spending.total - price);
  spending.countries[country] = Math.max(0, (spending.countries[country] ?? 0) - price);
}

/** The table that comes with the server, with the countries of a JSON file over it. */
export function readPrices(file: string | null): PriceTable {
  if (file === null) return prices;
  const given = parsed(file);
  return {
    default: given.default ?? prices.default,
    countries: { ...prices.countries, ...given.countries },
  };
}

function parsed(file: string): Partial<PriceTable> {
  let given: Partial<PriceTable>;
  try {
    given = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // The parser's own words quote the file.
    throw new Error('must be a file that can be read, with JSON in it');
  }
  const isKnown = Object.keys(given ?? {}).every((name) => name === 'default' || name === 'countries');
  const isCountry = (code: string) => /^([A-Z]{2}|\+\d{1,3})$/.test(code);
  if (!isKnown || !Object.keys(given?.countries ?? {}).every(isCountry))
    throw new Error('must hold "default" and "countries", which are codes such as US, and nothing else');
  const isPrice = (price: unknown) => typeof price === 'number' && price >= 0;
  if (![given?.default ?? 0, ...Object.values(given?.countries ?? {})].every(isPrice))
    throw new Error('must hold prices that are numbers, zero or more');
  return given ?? {};
}

function filledBy(spending: Spending, country: string, table: PriceTable, caps: Caps): Filled[] {
  const price = priceOf(table, country);
  const share = (cap: CapName, spent: number, limit: number): Filled => {
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
