import fc from 'fast-check';
import { getCountries, getCountryCallingCode } from 'libphonenumber-js';
import {
  blockOf,
  kindOfNumber,
  maskPhoneNumber,
  type PhoneNumber,
  parsePhoneNumber,
} from './phone-number.js';

describe('parsePhoneNumber', () => {
  it.each([
    '+14155552671',
    '  +1 415 555 2671\n',
    '+1 (415) 555-2671',
    '+1.415.555.2671',
    '+1\u2011415\u2011555\u20112671',
    '＋１４１５５５５２６７１',
    '14155552671',
    '4155552671',
    '(415) 555-2671',
    '1-415-555-2671',
    '011 1 415 555 2671',
  ])('reads %j as the same number', (text) => {
    expect(parsePhoneNumber(text, 'US')).toBe('+14155552671');
  });

  it.each([
    ['Arabic', '+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨'],
    ['Persian', '+۴۴ ۲۰ ۷۹۴۶ ۰۹۵۸'],
    ['full-width', '＋４４ ２０ ７９４６ ０９５８'],
    ['Devanagari', '+४४ २० ७९४६ ०९५८'],
    ['Bengali', '+৪৪ ২০ ৭৯৪৬ ০৯৫৮'],
    ['Thai', '+๔๔ ๒๐ ๗๙๔๖ ๐๙๕๘'],
    ['mixed', '+44 ２０ ٧٩٤٦ ०९५८'],
  ])('reads %s digits', (_, text) => {
    expect(parsePhoneNumber(text)).toBe('+442079460958');
  });

  it.each([
    ['an empty text', ''],
    ['a word', 'phone'],
    ['letters for digits', '+1-800-FLOWERS'],
    ['words around a number', 'call +14155552671 now'],
    ['two numbers', '+14155552671, +14155552672'],
    ['two plus signs', '++14155552671'],
    ['an extension', '+14155552671 ext. 5'],
    ['an extension in the form of RFC 3966', '+14155552671;ext=5'],
    ['an extension after a hash sign', '+14155552671#5'],
    ['an emergency number', '911'],
    ['a short code', '+1 12345'],
    ['a digit too few', '+1 415 555 267'],
    ['a digit too many', '+1 415 555 26711'],
    ['an area code that does not exist', '+1 111 555 2671'],
    ['a country code that does not exist', '+999 415 555 2671'],
    ['fewer digits than E.164 numbers have', '+43 1112'],
    ['more digits than E.164 allows', '+49 2667 6489211352'],
    ['a feature code', '*#06#'],
    ['a null character', '+1415555\u00002671'],
    ['half a surrogate pair', '+14155552671\ud800'],
  ])('rejects %s', (_, text) => {
    expect(parsePhoneNumber(text, 'US')).toBeNull();
  });

  it('reads a number without a country code only with a region', () => {
    expect(parsePhoneNumber('020 7946 0958')).toBeNull();
    expect(parsePhoneNumber('020 7946 0958', 'GB')).toBe('+442079460958');
    expect(parsePhoneNumber('020 7946 0958', 'US')).toBeNull();
  });

  const region = fc.option(fc.constantFrom(...getCountries()), { nil: undefined });

  it('returns E.164, and reads its own result as the same number', () => {
    const dialled = fc
      .tuple(fc.constantFrom(...getCountries()), fc.stringMatching(/^(\d{1,4}[ -]?){1,5}$/))
      .map(([country, digits]) => `+${getCountryCallingCode(country)} ${digits}`);
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(dialled, fc.stringMatching(/^\d{2,15}$/)), region, region, (text, here, there) => {
        const number = parsePhoneNumber(text, here);
        if (number === null) return;
        read += 1;
        expect(number).toMatch(/^\+[1-9]\d{6,14}$/);
        expect(parsePhoneNumber(number, there)).toBe(number);
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(50);
  });

  it('never throws', () => {
    const text = fc.string({ unit: fc.oneof(fc.constantFrom(...'+0123456789 ()-.;,#*x='), fc.string()) });
    fc.assert(
      fc.property(text, region, (text, here) => {
        expect(parsePhoneNumber(text, here) ?? '+1234567').toMatch(/^\+\d+$/);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('maskPhoneNumber', () => {
  it.each([
    ['+14155552671', '+14*******71'],
    ['+6834002', '+68***02'],
  ])('masks %s as %s', (number, masked) => {
    expect(maskPhoneNumber(number as PhoneNumber)).toBe(masked);
  });
});

describe('kindOfNumber', () => {
  it.each([
    ['+14155552671', 'US', true],
    ['+16135550123', 'CA', true],
    ['+447400123456', 'GB', true],
    ['+442079460958', 'GB', false],
    ['+447624123456', 'IM', true],
    ['+4915112345678', 'DE', true],
    ['+493012345678', 'DE', false],
    ['+5491123456789', 'AR', true],
  ])('finds that %s belongs to %s and is mobile: %s', (number, country, isMobile) => {
    expect(kindOfNumber(number as PhoneNumber)).toEqual({ country, isMobile });
  });

  it.each([
    ['an American premium number', '+19005550123'],
    ['a British premium number', '+449098790123'],
    ['a German premium number', '+499001234567'],
    ['a toll-free number', '+18005550123'],
  ])('counts %s as not mobile', (_, text) => {
    const number = parsePhoneNumber(text);
    expect(number).toBe(text);
    expect(kindOfNumber(number as PhoneNumber).isMobile).toBe(false);
  });

  it('counts a satellite phone as mobile, with its calling code for a country', () => {
    const number = parsePhoneNumber('+881612345678');
    expect(number).toBe('+881612345678');
    expect(kindOfNumber(number as PhoneNumber)).toEqual({ country: '+881', isMobile: true });
  });
});

describe('blockOf', () => {
  it('returns the shared prefix of a block of numbers', () => {
    expect(blockOf('+14155552671' as PhoneNumber, 4)).toBe('+1415555');
    expect(blockOf('+14155552671' as PhoneNumber, 5)).toBe('+141555');
  });
});
