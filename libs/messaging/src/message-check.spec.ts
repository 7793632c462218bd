import { ConfigurationError } from '#config';
import { checkMessages } from './message-check.js';

const sampleCodes = { usual: '739145', longest: '7QK2M9X4TB' };

describe('checkMessages', () => {
  it.each([
    ['Latchkey', null],
    ['Latchkey', { origin: 'login.example.com' }],
    ['Latchkey', { appHash: 'FA+9qCX9VSu' }],
    ['Ж'.repeat(32), null],
    ['支付宝', { origin: 'login.example.com' }],
    ['Ж'.repeat(32), { appHash: 'FA+9qCX9VSu' }],
    ['Latchkey', { origin: `accounts.${'x'.repeat(60)}.example` }],
  ])('accepts the brand %s with the autofill setting %j', (brand, autofill) => {
    expect(checkMessages({ brand, autofill, sampleCodes })).toEqual([]);
  });

  it('warns when the longest codes alone do not fit one SMS, and refuses when the usual ones do not', () => {
    const config = { brand: 'Ж'.repeat(32), autofill: { origin: 'login.example.com' } };

    expect(checkMessages({ ...config, sampleCodes })).toEqual([
      'BRAND should be shorter, or use only GSM-7 characters: a code of 10 characters does not fit one SMS in ar, de, en, es, fr, hi, ja, pt, ru, zh',
    ]);
    const { longest } = sampleCodes;
    const check = () => checkMessages({ ...config, sampleCodes: { usual: longest, longest } });
    expect(check).toThrow(ConfigurationError);
  });

  it.each([
    ['a long origin', 'SMS_ORIGIN', `${'x'.repeat(135)}.com`, 'Latchkey', 'shorter'],
    [
      'a long Cyrillic brand',
      'BRAND',
      `${'x'.repeat(40)}.com`,
      'Ж'.repeat(20),
      'shorter, or use only GSM-7 characters',
    ],
    ['a long Latin brand', 'BRAND', `${'x'.repeat(120)}.com`, 'x'.repeat(32), 'shorter'],
  ])(
    'refuses %s when no SMS fits one segment, and names the variable %s',
    (_, name, origin, brand, advice) => {
      const faults = faultsOf(() => checkMessages({ brand, autofill: { origin }, sampleCodes }));

      const rule = expect.stringContaining(
        `must be ${advice}: a code of 6 characters does not fit one SMS in ar, de,`,
      );
      expect(faults).toEqual([{ name, rule }]);
    },
  );

  function faultsOf(check: () => unknown): ConfigurationError['faults'] {
    try {
      check();
    } catch (error) {
      if (error instanceof ConfigurationError) return error.faults;
    }
    throw new Error('the configuration was accepted');
  }
});
