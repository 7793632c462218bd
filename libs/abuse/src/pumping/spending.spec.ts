import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Caps,
  capReached,
  newSpending,
  type PriceTable,
  readPrices,
  refund,
  spend,
} from './spending.js';

const table: PriceTable = { default: 0.3, countries: { FR: 0.1, DE: 0.2 } };
const NO_CAP = 1_000;

/** Spends on messages until a cap is reached. */
function fill(country: string, caps: Caps, prices = table) {
  const spending = newSpending();
  const warnings: [message: number, caps: string[]][] = [];
  for (let messages = 0; ; messages += 1) {
    const cap = capReached(spending, country, prices, caps);
    if (cap) return { messages, cap, warnings, spending };
    const warned = spend(spending, country, prices, caps, 0.8);
    if (warned.length > 0) warnings.push([messages + 1, warned]);
  }
}

describe('a cap', () => {
  it.each([
    ['FR', 0.3, 3],
    ['FR', 1, 10],
    ['FR', 0.99, 9],
    ['XX', 0.9, 3],
    ['DE', 0, 0],
  ])('allows exactly its amount: messages to %s with a cap of %d end after %d', (country, cap, messages) => {
    expect(fill(country, { perDay: cap, perCountry: NO_CAP })).toMatchObject({
      messages,
      cap: 'spend_per_day',
    });
    expect(fill(country, { perDay: NO_CAP, perCountry: cap })).toMatchObject({
      messages,
      cap: 'spend_per_country',
    });
  });

  it.each([2.01, 4.02, 4.35, 8.2])('of %d is exact, although binary fractions are not', (cap) => {
    const prices = { default: 0.01, countries: {} };
    const messages = Math.round(cap * 100);
    expect(fill('FR', { perDay: cap, perCountry: NO_CAP }, prices).messages).toBe(messages);
  });

  it('adds prices up without rounding errors: 0.1 and 0.2 are 0.3', () => {
    const spending = newSpending();
    const caps = { perDay: 0.3, perCountry: NO_CAP };
    spend(spending, 'FR', table, caps, 0.8);
    expect(capReached(spending, 'DE', table, caps)).toBeNull();
    spend(spending, 'DE', table, caps, 0.8);
    expect(spending).toEqual({ total: 300_000, countries: { FR: 100_000, DE: 200_000 } });
    expect(capReached(spending, 'FR', table, caps)).toBe('spend_per_day');
  });

  it('allows one more message after a refund, and never counts below zero', () => {
    const { spending } = fill('FR', { perDay: 1, perCountry: 1 });
    refund(spending, 'FR', table);
    expect(spending).toEqual({ total: 900_000, countries: { FR: 900_000 } });
    for (let i = 0; i < 20; i += 1) refund(spending, 'FR', table);
    refund(spending, 'DE', table);
    expect(spending).toEqual({ total: 0, countries: { FR: 0, DE: 0 } });
  });

  it('of one country does not affect another country', () => {
    const { spending } = fill('FR', { perDay: NO_CAP, perCountry: 1 });
    expect(capReached(spending, 'DE', table, { perDay: NO_CAP, perCountry: 1 })).toBeNull();
  });

  it('warns once, with the message that reaches four fifths', () => {
    expect(fill('FR', { perDay: 1, perCountry: NO_CAP }).warnings).toEqual([[8, ['spend_per_day']]]);
    expect(fill('FR', { perDay: NO_CAP, perCountry: 1 }).warnings).toEqual([[8, ['spend_per_country']]]);
  });
});

describe('readPrices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-prices-'));
  const file = join(folder, 'prices.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('replaces built-in prices with those in a file', () => {
    const usual = readPrices(null);
    writeFileSync(file, '{"countries":{"FR":9.5}}');
    expect(readPrices(file)).toEqual({
      default: usual.default,
      countries: { ...usual.countries, FR: 9.5 },
    });
    writeFileSync(file, '{"default":7}');
    expect(readPrices(file)).toEqual({ default: 7, countries: usual.countries });
  });

  it.each([
    '{"countries":{"FR":"9"}}',
    '{"default":-1}',
    '{"countries":{"FR":null}}',
    '{oops',
    '',
    '{"defualt":1}',
    '{"countries":{"USA":1}}',
    '{"currency":"EUR"}',
  ])('rejects %j without quoting it', (text) => {
    writeFileSync(file, text);
    expect(() => readPrices(file)).toThrow(/^must (have|be a readable file)/);
  });
});
