import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Caps,
  capReached,
  giveBack,
  newSpending,
  type PriceTable,
  readPrices,
  spend,
} from './spending.js';

const table: PriceTable = { default: 0.3, countries: { FR: 0.1, DE: 0.2 } };
const NO_CAP = 1_000;

/** Sends until a cap is reached: how many went, and the cap. */
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
  ])('lets exactly as much be spent as it says: %s with %d lets %d messages go', (country, cap, messages) => {
    expect(fill(country, { perDay: cap, perCountry: NO_CAP })).toMatchObject({
      messages,
      cap: 'spend_per_day',
    });
    expect(fill(country, { perDay: NO_CAP, perCountry: cap })).toMatchObject({
      messages,
      cap: 'spend_per_country',
    });
  });

  it.each([2.01, 4.02, 4.35, 8.2])('of %d is exact although no binary fraction is', (cap) => {
    const prices = { default: 0.01, countries: {} };
    const messages = Math.round(cap * 100);
    expect(fill('FR', { perDay: cap, perCountry: NO_CAP }, prices).messages).toBe(messages);
  });

  it('adds prices up without an error: 0.1 and 0.2 are 0.3', () => {
    const spending = newSpending();
    const caps = { perDay: 0.3, perCountry: NO_CAP };
    spend(spending, 'FR', table, caps, 0.8);
    expect(capReached(spending, 'DE', table, caps)).toBeNull();
    spend(spending, 'DE', table, caps, 0.8);
    expect(spending).toEqual({ total: 300_000, countries: { FR: 100_000, DE: 200_000 } });
    expect(capReached(spending, 'FR', table, caps)).toBe('spend_per_day');
  });

  it('has room again for a message that was not paid for after all, and for no more', () => {
    const { spending } = fill('FR', { perDay: 1, perCountry: 1 });
    giveBack(spending, 'FR', table);
    expect(spending).toEqual({ total: 900_000, countries: { FR: 900_000 } });
    for (let i = 0; i < 20; i += 1) giveBack(spending, 'FR', table);
    giveBack(spending, 'DE', table);
    expect(spending).toEqual({ total: 0, countries: { FR: 0, DE: 0 } });
  });

  it('of a country holds no other country back', () => {
    const { spending } = fill('FR', { perDay: NO_CAP, perCountry: 1 });
    expect(capReached(spending, 'DE', table, { perDay: NO_CAP, perCountry: 1 })).toBeNull();
  });

  it('warns once, with the message that fills four fifths', () => {
    expect(fill('FR', { perDay: 1, perCountry: NO_CAP }).warnings).toEqual([[8, ['spend_per_day']]]);
    expect(fill('FR', { perDay: NO_CAP, perCountry: 1 }).warnings).toEqual([[8, ['spend_per_country']]]);
  });
});

describe('readPrices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-prices-'));
  const file = join(folder, 'prices.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('puts the countries of a file over those that come with the server', () => {
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
  ])('refuses %j without quoting it', (text) => {
    writeFileSync(file, text);
    expect(() => readPrices(file)).toThrow(/^must (hold|be a file)/);
  });
});
