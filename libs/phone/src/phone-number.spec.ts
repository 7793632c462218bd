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
  ])('reads %j as one and the same number', (text) => {
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
    ['nothing', ''],
    ['a word', 'phone'],
    ['letters for digits', '+1-800-FLOWERS'],
    ['words around it', 'call +14155552671 now'],
    ['two numbers', '+14155552671, +14155552672'],
    ['two plus signs', '++14155552671'],
    ['an extension', '+14155552671 ext. 5'],
    ['an extension by RFC 3966', '+14155552671;ext=5'],
    ['an extension by a hash sign', '+14155552671#5'],
    ['an emergency number', '911'],
    ['a short code', '+1 12345'],
    ['a digit too few', '+1 415 555 267'],
    ['a digit too many', '+1 415 555 26711'],
    ['no area that exists', '+1 111 555 2671'],
    ['no country that exists', '+999 415 555 2671'],
    ['fewer digits than E.164 numbers have', '+43 1112'],
    ['more digits than E.164 allows', '+49 2667 6489211352'],
    ['a feature code', '*#06#'],
    ['a null character', '+1415555\u00002671'],
    ['half a surrogate pair', '+14155552671\ud800'],
  ])('refuses %s', (_, text) => {
    expect(parsePhoneNumber(text, 'US')).toBeNull();
  });

  it('reads a number without a country code only where there is a region', () => {
    expect(parsePhoneNumber('020 7946 0958')).toBeNull();
    expect(parsePhoneNumber('020 7946 0958', 'GB')).toBe('+442079460958');
    expect(parsePhoneNumber('020 7946 0958', 'US')).toBeNull();
  });

  const region = fc.option(fc.constantFrom(...getCountries()), { nil: undefined });

  it('reads what it has read as the same again, and it is E.164', () => {
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

  it('throws at nothing', () => {
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
  ])('shows three characters of %s, then two: %s', (number, masked) => {
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
  ])('knows of %s that it is of %s, and whether messages reach it: %s', (number, country, isMobile) => {
    expect(kindOfNumber(number as PhoneNumber)).toEqual({ country, isMobile });
  });

  it.each([
    ['an American premium number', '+19005550123'],
    ['a British premium number', '+449098790123'],
    ['a German premium number', '+499001234567'],
    ['a toll-free number', '+18005550123'],
    ['a satellite phone', '+881612345678'],
  ])('counts %s as none that messages reach', (_, text) => {
    const number = parsePhoneNumber(text);
    expect(number).toBe(text);
    expect(kindOfNumber(number as PhoneNumber).isMobile).toBe(text.startsWith('+8816'));
  });

  it('names what belongs to no country by its calling code', () => {
    expect(kindOfNumber('+881612345678' as PhoneNumber).country).toBe('+881');
  });
});

describe('blockOf', () => {
  it('is what the numbers of a block begin with', () => {
    expect(blockOf('+14155552671' as PhoneNumber, 4)).toBe('+1415555');
    expect(blockOf('+14155552671' as PhoneNumber, 5)).toBe('+141555');
  });
});
