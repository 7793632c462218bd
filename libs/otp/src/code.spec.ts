import { createHmac } from 'node:crypto';
import { deriveCode, isSameCode, readCode } from './code.js';

describe('deriveCode', () => {
  const key = Buffer.alloc(32, 7);

  it.each([6, 7, 8, 9])('derives a code of %d digits', (length) => {
    expect(deriveCode(key, length)).toMatch(new RegExp(`^\\d{${length}}$`));
  });

  it('derives a code of ten characters from the first 50 bits of an HMAC', () => {
    const bits = createHmac('sha256', key).update('characters').digest().readBigUInt64BE() >> 14n;
    const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    const code = Array.from({ length: 10 }, (_, i) => alphabet[Number((bits >> BigInt(45 - 5 * i)) & 31n)]);
    expect(deriveCode(key, 10)).toBe(code.join(''));
  });

  it('derives another code from another key', () => {
    expect(deriveCode(Buffer.alloc(32, 8), 10)).not.toBe(deriveCode(key, 10));
  });
});

describe('readCode', () => {
  it.each([
    ['as issued', 'ABCDE12345'],
    ['in lower case', 'abcde12345'],
    ['in two groups', 'ABCDE-12345'],
    ['with an I for a one', 'ABCDEI2345'],
    ['with an l for a one', 'abcdel2345'],
    ['with spaces', ' abcde 12345 '],
  ])('reads a code of characters typed %s', (_, typed) => {
    expect(readCode(typed, 10)).toBe('ABCDE12345');
  });

  it('reads an O as a zero in a code of characters and leaves it unchanged in a code of digits', () => {
    expect(readCode('oO00000000', 10)).toBe('0000000000');
    expect(readCode('o00000', 6)).toBe('o00000');
  });

  it.each([
    ['as issued', '123456'],
    ['with spaces around', ' 123456\n'],
    ['in two groups', '123 456'],
    ['in groups with no-break spaces', '12\u00a034\u202f56'],
    ['with a hyphen', '123-456'],
    ['with a non-breaking hyphen', '123\u2011456'],
    ['with a dash', '123–456'],
    ['in full-width digits', '１２３４５６'],
    ['in Arabic digits', '١٢٣٤٥٦'],
    ['in Persian digits', '۱۲۳۴۵۶'],
    ['in Devanagari digits', '१२३४५६'],
    ['in Bengali digits', '১২৩৪৫৬'],
  ])('reads a code of digits typed %s', (_, typed) => {
    expect(readCode(typed, 6)).toBe('123456');
  });

  it.each(['', '12345a', '1234567', '12.34.56', 'l23456'])('does not read %j as a code', (typed) => {
    expect(readCode(typed, 6)).not.toMatch(/^\d{6}$/);
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
  ])('compares %s with %j and returns %s', (expected, given, same) => {
    expect(isSameCode(expected, given)).toBe(same);
  });
});
