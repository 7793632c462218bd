import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel } from '#config';
import { priceOf, readPrices } from './prices.js';

describe('priceOf', () => {
  it.each<[string, Channel, number]>([
    ['US', 'sms', 8_300],
    ['US', 'call', 14_000],
    ['US', 'whatsapp', 10_000],
    ['FR', 'whatsapp', 80_000],
    ['TV', 'sms', 350_000],
    ['TV', 'call', 1_000_000],
    ['+870', 'call', 15_000_000],
    ['+881', 'call', 12_000_000],
    ['+882', 'sms', 1_000_000],
    ['+883', 'call', 12_000_000],
  ])('returns the built-in price of %s by %s', (country, channel, millionths) => {
    expect(priceOf(readPrices(null), country, channel)).toBe(millionths);
  });
});

describe('readPrices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-prices-'));
  const file = join(folder, 'prices.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  const usual = readPrices(null);
  const read = (text: string) => {
    writeFileSync(file, text);
    return readPrices(file);
  };

  it.each([
    ['{"countries":{"FR":9.5}}', 'FR', { sms: 9.5, whatsapp: 0.08, call: 0.06 }],
    ['{"countries":{"FR":{"call":9.5}}}', 'FR', { sms: 0.0798, whatsapp: 0.08, call: 9.5 }],
    ['{"countries":{"TV":{"call":2},"FR":1}}', 'TV', { sms: 0.35, whatsapp: 0.08, call: 2 }],
    ['{"default":7}', 'TV', { sms: 7, whatsapp: 0.08, call: 1 }],
    ['{"default":{"sms":7,"whatsapp":8,"call":9}}', 'TV', { sms: 7, whatsapp: 8, call: 9 }],
    ['{"default":7}', 'FR', { sms: 0.0798, whatsapp: 0.08, call: 0.06 }],
    [
      '{"currency":"EUR","note":"","countries":{"+870":{"call":20}}}',
      '+870',
      { sms: 1, whatsapp: 0.08, call: 20 },
    ],
    ['\uFEFF{"countries":{"FR":0}}', 'FR', { sms: 0, whatsapp: 0.08, call: 0.06 }],
  ])('replaces built-in prices: %s sets those of %s to %j', (text, country, prices) => {
    const table = read(text);
    expect({ ...table.default, ...table.countries[country] }).toEqual(prices);
    expect(table.countries.DE).toEqual(usual.countries.DE);
  });

  it.each([
    ['{"countries":{"FR":"9"}}', 'countries.FR must be a number or an object'],
    ['{"countries":{"FR":null}}', 'countries.FR must be a number or an object'],
    ['{"countries":{"FR":{"sms":"9"}}}', 'countries.FR.sms must be a number from 0 to 1000000000'],
    ['{"countries":{"FR":{"call":-1}}}', 'countries.FR.call must be a number from 0 to 1000000000'],
    [
      '{"countries":{"FR":{"voice":1}}}',
      'countries.FR has the unknown channel "voice": use sms, whatsapp, call',
    ],
    [
      '{"countries":{"FR":{"toString":1}}}',
      'countries.FR has the unknown channel "toString": use sms, whatsapp, call',
    ],
    ['{"countries":{"UK":1}}', 'countries."UK" is not a country: the United Kingdom is GB'],
    [
      '{"countries":{"USA":1}}',
      'countries."USA" is not a country: use a code such as US, or +870 for satellite phones',
    ],
    [
      '{"countries":{"__proto__":1}}',
      'countries."__proto__" is not a country: use a code such as US, or +870 for satellite phones',
    ],
    ['{"countries":[]}', 'countries must be an object'],
    ['{"default":-1}', 'default must be a number from 0 to 1000000000'],
    ['{"default":1e999}', 'default must be a number from 0 to 1000000000'],
    ['{"default":"1"}', 'default must be a number or an object'],
    ['{"defualt":1}', '"defualt" is not a member of a price file: use "default" and "countries"'],
    ['[]', 'the file must be an object'],
    ['null', 'the file must be an object'],
    ['{\n  "default": 1\n  "countries": {}\n}', 'the file is not valid JSON: see line 3, column 3'],
    ['', 'the file is not valid JSON'],
  ])('rejects %j: %s', (text, fault) => {
    expect(() => read(text)).toThrow(new Error(fault));
  });

  it('rejects a file that cannot be read', () => {
    expect(() => readPrices(join(folder, 'missing.json'))).toThrow('the file cannot be read: ENOENT');
  });
});
