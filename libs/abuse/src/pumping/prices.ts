import { CHANNELS, type Channel, membersOf, quoted, readJsonFile, requireCountry } from '#config';
import prices from './prices.json' with { type: 'json' };

type ChannelPrices = Readonly<Record<Channel, number>>;

/** Prices of one message, or of a one-minute call, in the currency of the caps. */
export interface PriceTable {
  /** The prices for all other countries. */
  readonly default: ChannelPrices;
  /** By ISO 3166-1 alpha-2 code, or `+` and the calling code of numbers without a country, such as satellite phones. */
  readonly countries: Readonly<Record<string, Partial<ChannelPrices>>>;
}

/** Sums of prices up to this are exact, in millionths. */
const HIGHEST_PRICE = 1_000_000_000;

const MILLIONTHS = 1_000_000;

const BUILT_IN: PriceTable = { default: prices.default, countries: prices.countries };

/** Returns the price of one message in millionths. They are integers, so that sums are exact. */
export function priceOf(
  { countries, default: usual }: PriceTable,
  country: string,
  channel: Channel,
): number {
  return Math.round((countries[country]?.[channel] ?? usual[channel]) * MILLIONTHS);
}

/**
 * Returns the built-in prices, with those in a JSON file replaced.
 *
 * @throws Error whose message names the member of the file and the rule, never a value.
 */
export function readPrices(file: string | null): PriceTable {
  if (file === null) return BUILT_IN;
  const given = membersOf(readJsonFile(file), 'the file');
  const unknown = Object.keys(given).find(
    (name) => !['default', 'countries', 'currency', 'note'].includes(name),
  );
  if (unknown !== undefined)
    throw new Error(`${quoted(unknown)} is not a member of a price file: use "default" and "countries"`);
  const countries = Object.entries(membersOf(given.countries ?? {}, 'countries')).map(
    ([country, price]): [string, Partial<ChannelPrices>] => {
      requireCountry(country);
      return [country, { ...BUILT_IN.countries[country], ...pricesOf(price, `countries.${country}`) }];
    },
  );
  return {
    default: { ...BUILT_IN.default, ...pricesOf(given.default ?? {}, 'default') },
    countries: { ...BUILT_IN.countries, ...Object.fromEntries(countries) },
  };
}

/** A number is the price of an SMS. An object has prices by channel. */
function pricesOf(given: unknown, path: string): Partial<ChannelPrices> {
  if (typeof given === 'number') return { sms: checked(given, path) };
  const byChannel = membersOf(given, path, 'a number or an object');
  return Object.fromEntries(
    Object.entries(byChannel).map(([channel, price]) => {
      if (!(CHANNELS as readonly string[]).includes(channel))
        throw new Error(`${path} has the unknown channel ${quoted(channel)}: use ${CHANNELS.join(', ')}`);
      return [channel, checked(price, `${path}.${channel}`)];
    }),
  );
}

function checked(price: unknown, path: string): number {
  if (typeof price === 'number' && price >= 0 && price <= HIGHEST_PRICE) return price;
  throw new Error(`${path} must be a number from 0 to ${HIGHEST_PRICE}`);
}
