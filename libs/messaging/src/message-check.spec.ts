import { ConfigurationError } from '#config';
import { checkMessages } from './message-check.js';

const OTP = { ttlMs: 300_000, length: 6, maxAttempts: 5 };

describe('checkMessages', () => {
  it.each([
    ['Latchkey', null],
    ['Latchkey', { origin: 'login.example.com' }],
    ['Latchkey', { appHash: 'FA+9qCX9VSu' }],
    ['Ж'.repeat(32), null],
    ['支付宝', { origin: 'login.example.com' }],
    ['Ж'.repeat(32), { appHash: 'FA+9qCX9VSu' }],
    ['Latchkey', { origin: `accounts.${'x'.repeat(60)}.example` }],
  ])('has nothing to say about %s with %j', (brand, autofill) => {
    expect(checkMessages({ brand, autofill, otp: OTP })).toEqual([]);
  });

  it('warns when only the longest codes do not fit', () => {
    const config = { brand: 'Ж'.repeat(32), autofill: { origin: 'login.example.com' } };

    expect(checkMessages({ ...config, otp: OTP })).toEqual([
      'BRAND should be shorter, or in the letters of GSM-7: a code of 10 characters does not fit one SMS in ar, de, en, es, fr, hi, ja, pt, ru, zh',
    ]);
    expect(() => checkMessages({ ...config, otp: { ...OTP, length: 10 } })).toThrow(ConfigurationError);
  });

  it.each([
    [`${'x'.repeat(135)}.com`, 'Latchkey', 'SMS_ORIGIN', 'shorter'],
    [`${'x'.repeat(40)}.com`, 'Ж'.repeat(20), 'BRAND', 'shorter, or in the letters of GSM-7'],
    [`${'x'.repeat(120)}.com`, 'x'.repeat(32), 'BRAND', 'shorter'],
  ])(
    'refuses what does not fit at all, and blames who is long: @%.20s, %.20s',
    (origin, brand, name, cure) => {
      const faults = faultsOf(() => checkMessages({ brand, autofill: { origin }, otp: OTP }));

      const rule = expect.stringContaining(
        `must be ${cure}: a code of 6 characters does not fit one SMS in ar, de,`,
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
    throw new Error('nothing was refused');
  }
});
