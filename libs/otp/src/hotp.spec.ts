import { hotp, isSameCode, readCode } from './hotp.js';

/** RFC 4226, Appendix D: the truncated value is the code of ten digits, its end the code of six. */
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
  it.each(VECTORS)('agrees with RFC 4226 on counter %d: %s, %s', (counter, tenDigits, sixDigits) => {
    const key = Buffer.from('12345678901234567890');
    expect(hotp(key, counter, 10)).toBe(tenDigits);
    expect(hotp(key, counter, 6)).toBe(sixDigits);
  });
});

describe('readCode', () => {
  it.each([
    ['as it is', '123456'],
    ['with spaces around', ' 123456\n'],
    ['in two groups', '123 456'],
    ['in groups with no-break spaces', '12\u00a034\u202f56'],
    ['with a hyphen', '123-456'],
    ['with a hyphen that does not break', '123\u2011456'],
    ['with a dash', '123–456'],
    ['in full-width digits', '１２３４５６'],
    ['in Arabic digits', '١٢٣٤٥٦'],
    ['in Persian digits', '۱۲۳۴۵۶'],
    ['in Devanagari digits', '१२३४५६'],
    ['in Bengali digits', '১২৩৪৫৬'],
  ])('reads a code %s', (_, typed) => {
    expect(readCode(typed)).toBe('123456');
  });

  it.each(['', '12345a', '1234567', '12.34.56', 'l23456'])('makes no code of %j', (typed) => {
    expect(readCode(typed)).not.toMatch(/^\d{6}$/);
  });
});

describe('isSameCode', () => {
  it.each([
    ['123456', '123456', true],
    ['123456', '123457', false],
    ['123456', '023456', false],
    ['123456', '12345', false],
    ['123456', '1234567', false],
    ['123456', '', false],
    ['123456', '12345é', false],
  ])('compares %s with %j: %s', (expected, given, same) => {
    expect(isSameCode(expected, given)).toBe(same);
  });
});
