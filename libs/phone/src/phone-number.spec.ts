import fc from 'fast-check';
import { getCountries, getCountryCallingCode } from 'libphonenumber-js';
import { expectForgottenAfterASecond } from '../../../test/support/forgetting.js';
import { earlierFormsOf } from './line-forms.js';
import {
  blockOf,
  isReachableBy,
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
    expect(parsePhoneNumber(text, { region: 'US' })).toBe('+14155552671');
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
    ['two national prefixes', '+51 0064000000'],
  ])('rejects %s', (_, text) => {
    expect(parsePhoneNumber(text, { region: 'US' })).toBeNull();
  });

  it('reads a number without a country code only with a region', () => {
    expect(parsePhoneNumber('020 7946 0958')).toBeNull();
    expect(parsePhoneNumber('020 7946 0958', { region: 'GB' })).toBe('+442079460958');
    expect(parsePhoneNumber('020 7946 0958', { region: 'US' })).toBeNull();
  });

  const region = fc.option(fc.constantFrom(...getCountries()), { nil: undefined });

  it('returns E.164, and reads its own result as the same number', () => {
    const dialled = fc
      .tuple(fc.constantFrom(...getCountries()), fc.stringMatching(/^(\d{1,4}[ -]?){1,5}$/))
      .map(([country, digits]) => `+${getCountryCallingCode(country)} ${digits}`);
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(dialled, fc.stringMatching(/^\d{2,15}$/)), region, region, (text, here, there) => {
        const number = parsePhoneNumber(text, { region: here });
        if (number === null) return;
        read += 1;
        expect(number).toMatch(/^\+[1-9]\d{6,14}$/);
        expect(parsePhoneNumber(number, { region: there })).toBe(number);
      }),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(50);
  });

  it('never throws', () => {
    const text = fc.string({ unit: fc.oneof(fc.constantFrom(...'+0123456789 ()-.;,#*x='), fc.string()) });
    fc.assert(
      fc.property(text, region, (text, here) => {
        expect(parsePhoneNumber(text, { region: here }) ?? '+1234567').toMatch(/^\+\d+$/);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('One line written in several forms', () => {
  it.each([
    ['+525512345678', 'MX', '+52 1 55 1234 5678'],
    ['+525512345678', 'MX', '044 55 1234 5678'],
    ['+525512345678', 'MX', '045 55 1234 5678'],
    ['+525512345678', 'MX', '01 55 1234 5678'],
    ['+525512345678', 'MX', '521 55 1234 5678'],
    ['+525512345678', 'MX', '52 55 1234 5678'],
    ['+525512345678', 'MX', '55 1234 5678'],
    ['+525512345678', 'MX', '00 52 1 55 1234 5678'],
    ['+525512345678', 'MX', '+52 044 55 1234 5678'],
    ['+5491123456789', 'AR', '+54 11 2345 6789'],
    ['+5491123456789', 'AR', '+54 9 11 2345 6789'],
    ['+5491123456789', 'AR', '+54 11 15 2345 6789'],
    ['+5491123456789', 'AR', '+54 9 11 15 2345 6789'],
    ['+5491123456789', 'AR', '011 15 2345 6789'],
    ['+5491123456789', 'AR', '11 2345-6789'],
    ['+5493512345678', 'AR', '0351 15 234 5678'],
    ['+5511981234567', 'BR', '+55 11 8123 4567'],
    ['+5511981234567', 'BR', '(11) 8123-4567'],
    ['+5511981234567', 'BR', '(11) 98123-4567'],
    ['+2290197123456', 'BJ', '+229 97 12 34 56'],
    ['+2290197123456', 'BJ', '97 12 34 56'],
    ['+16212345678', 'US', '+1 621 234 5678'],
    ['+16212345678', 'US', '(621) 234-5678'],
    ['+16212345678', 'US', '1 621 234 5678'],
    ['+16212345678', 'US', '011 1 621 234 5678'],
  ] as const)('is %s: %s, %s', (canonical, region, text) => {
    expect(parsePhoneNumber(text, { region })).toBe(canonical);
  });

  it.each([
    ['+525512345678', ['+5215512345678']],
    ['+5491123456789', ['+541123456789']],
    ['+5511981234567', ['+551181234567']],
    ['+2290197123456', ['+22997123456']],
    ['+551131234567', []],
    ['+14155552671', []],
  ])('may have an account of %s under %j', (canonical, earlier) => {
    expect(earlierFormsOf(canonical as PhoneNumber)).toEqual(earlier);
    for (const form of earlier) expect(parsePhoneNumber(form)).toBe(canonical);
  });
});

describe('Numbers of North America', () => {
  it.each(['+16212345678', '+12382345678', '+19832345678', '+16215550123', '+18352345678'])(
    'accepts %s, whatever the library knows of its area code',
    (number) => {
      expect(parsePhoneNumber(number)).toBe(number);
    },
  );

  it.each([
    ['a service code as the area code', '+12112345678'],
    ['an area code kept for longer numbers', '+12982345678'],
    ['a reserved area code', '+13702345678'],
    ['a reserved area code', '+19602345678'],
    ['the area code 555', '+15552345678'],
    ['an area code of the government', '+17102345678'],
    ['a toll-free area code that is not in use', '+18222345678'],
    ['an area code like a premium exchange', '+19762345678'],
    ['an area code that starts with 1', '+11212345678'],
    ['an exchange that starts with 1', '+16211345678'],
    ['a service code as the exchange', '+16219112345'],
    ['a premium exchange in an unknown area', '+16219762345'],
    ['an unknown exchange of the Bahamas', '+12429991234'],
    ['an unknown exchange of Jamaica', '+18760001234'],
  ])('rejects %s', (_, number) => {
    expect(parsePhoneNumber(number)).toBeNull();
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
    ['+14155552671', 'US', 'mobile'],
    ['+16135550123', 'CA', 'mobile'],
    ['+16212345678', 'US', 'mobile'],
    ['+12423591234', 'BS', 'mobile'],
    ['+447400123456', 'GB', 'mobile'],
    ['+442079460958', 'GB', 'fixed'],
    ['+447624123456', 'IM', 'mobile'],
    ['+4915112345678', 'DE', 'mobile'],
    ['+493012345678', 'DE', 'fixed'],
    ['+525512345678', 'MX', 'mobile'],
    ['+5491123456789', 'AR', 'mobile'],
    ['+5511981234567', 'BR', 'mobile'],
    ['+551131234567', 'BR', 'fixed'],
    ['+870301234567', '+870', 'mobile'],
    ['+881612345678', '+881', 'mobile'],
    ['+881812345678', '+881', 'mobile'],
    ['+88216123456', '+882', 'mobile'],
    ['+883510012345', '+883', 'mobile'],
    ['+878101234567890', '+878', 'mobile'],
    ['+80012345678', '+800', 'mobile'],
  ])('finds that %s belongs to %s and is %s', (number, country, line) => {
    expect(parsePhoneNumber(number)).toBe(number);
    expect(kindOfNumber(number as PhoneNumber)).toEqual({ country, line });
  });

  it.each([
    ['an American premium number', '+19005550123'],
    ['a premium number with an ordinary area code', '+14159761234'],
    ['a British premium number', '+449098790123'],
    ['a German premium number', '+499001234567'],
    ['an international premium number', '+979123456789'],
    ['a toll-free number', '+18005550123'],
    ['an American personal number', '+15232345678'],
    ['a Canadian number without a place', '+16222345678'],
  ])('finds that %s is reachable by no channel', (_, text) => {
    const number = parsePhoneNumber(text);
    expect(number).toBe(text);
    const { line } = kindOfNumber(number as PhoneNumber);
    for (const channel of ['sms', 'whatsapp', 'call']) expect(isReachableBy(channel, line)).toBe(false);
  });

  it('counts a range that the operator names as mobile, in the country of its calling code', () => {
    const newRanges = ['+86110', '+397'];
    for (const [number, country] of [
      ['+8611012345678', 'CN'],
      ['+39799912345', 'IT'],
    ] as const) {
      expect(parsePhoneNumber(number)).toBeNull();
      expect(parsePhoneNumber(number, { newRanges })).toBe(number);
      expect(kindOfNumber(number as PhoneNumber)).toEqual({ country, line: 'mobile' });
    }
    expect(parsePhoneNumber('+8611112345678', { newRanges })).toBeNull();
  });
});

describe('A number', () => {
  it('is parsed again after a second, so that times do not tell which numbers were in use', async () => {
    const library = jest.requireActual<typeof import('libphonenumber-js/max')>('libphonenumber-js/max');
    const parses = jest.spyOn(library, 'parsePhoneNumberFromString');
    await expectForgottenAfterASecond(parses, () => kindOfNumber('+14155559876' as PhoneNumber));
  });
});

describe('isReachableBy', () => {
  it.each([
    ['mobile', 'sms', true],
    ['mobile', 'call', true],
    ['fixed', 'sms', false],
    ['fixed', 'whatsapp', false],
    ['fixed', 'call', true],
    ['other', 'call', false],
  ] as const)('answers for a %s line and the channel %s: %s', (line, channel, expected) => {
    expect(isReachableBy(channel, line)).toBe(expected);
  });
});

describe('blockOf', () => {
  it('returns the shared prefix of a block of numbers', () => {
    expect(blockOf('+14155552671' as PhoneNumber, 4)).toBe('+1415555');
    expect(blockOf('+14155552671' as PhoneNumber, 5)).toBe('+141555');
  });
});
