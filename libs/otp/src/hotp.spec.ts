import { hotp } from './hotp.js';

/** RFC 4226, Appendix D: the truncated value is the ten-digit code, and its last six digits are the six-digit code. */
const VECTORS = [
  [0n, '1284755224', '755224'],
  [1n, '1094287082', '287082'],
  [2n, '0137359152', '359152'],
  [3n, '1726969429', '969429'],
  [4n, '1640338314', '338314'],
  [5n, '0868254676', '254676'],
  [6n, '1918287922', '287922'],
  [7n, '0082162583', '162583'],
  [8n, '0673399871', '399871'],
  [9n, '0645520489', '520489'],
] as const;

describe('hotp', () => {
  it.each(VECTORS)(
    'returns the codes of RFC 4226 for the counter %d: %s and %s',
    (counter, tenDigits, sixDigits) => {
      const key = Buffer.from('12345678901234567890');
      expect(hotp(key, counter, 10)).toBe(tenDigits);
      expect(hotp(key, counter, 6)).toBe(sixDigits);
    },
  );
});
