import fc from 'fast-check';
import { localeFor } from './locale.js';
import { LOCALES } from './locales.js';

const NO_HINTS = { locale: null, acceptLanguage: null, country: '+883' };

describe('localeFor', () => {
  it.each([
    ['fr', 'fr'],
    ['fr-CA', 'fr'],
    ['pt-PT', 'pt'],
    ['zh-Hant-TW', 'zh'],
    ['cmn', 'zh'],
    ['ar-EG-u-nu-arab', 'ar'],
    ['DE', 'de'],
    ['nl', 'en'],
    ['uk', 'en'],
    ['', 'en'],
    ['-', 'en'],
    ['*', 'en'],
    ['x-invalid', 'en'],
    ['fr_CA', 'en'],
    ['__proto__', 'en'],
    ['fr, de', 'en'],
  ])('answers a request for the locale %j with %s', (locale, expected) => {
    expect(localeFor({ ...NO_HINTS, locale })).toBe(expected);
  });

  it.each([
    ['de-AT,de;q=0.9,en;q=0.8', 'de'],
    ['en;q=0.5, ja', 'ja'],
    ['nl, sv;q=0.9, fr;q=0.1', 'fr'],
    ['fr;q=0, es', 'es'],
    ['en;q=foo, es', 'es'],
    ['es, es, es, es', 'es'],
    ['*', 'ru'],
    ['*, de;q=0.5', 'de'],
    ['', 'ru'],
    [',;,;q=,=', 'ru'],
    ['x-invalid', 'ru'],
    ['"', 'ru'],
    ['nl', 'ru'],
  ])('answers the Accept-Language %j with %s', (acceptLanguage, expected) => {
    expect(localeFor({ ...NO_HINTS, acceptLanguage, country: 'RU' })).toBe(expected);
  });

  it.each([
    ['3,000 unavailable languages', `${'nl,'.repeat(3_000)}fr`, 'ru'],
    ['a language of 10,000 letters', `de,${'x'.repeat(10_000)}`, 'de'],
    ['3,000 unclosed quotes', `fr;${'a="'.repeat(3_000)}`, 'fr'],
  ])('reads only the start of an Accept-Language with %s', (_, acceptLanguage, expected) => {
    expect(localeFor({ ...NO_HINTS, acceptLanguage, country: 'RU' })).toBe(expected);
  });

  it.each([
    ['BR', 'pt'],
    ['MX', 'es'],
    ['AT', 'de'],
    ['EG', 'ar'],
    ['IN', 'hi'],
    ['TW', 'zh'],
    ['KZ', 'ru'],
    ['NL', 'en'],
    ['UA', 'en'],
    ['ZZ', 'en'],
    ['+883', 'en'],
    ['', 'en'],
  ])('answers a request with only the country %j with %s', (country, expected) => {
    expect(localeFor({ ...NO_HINTS, country })).toBe(expected);
  });

  it('prefers the locale of the request to Accept-Language, and Accept-Language to the country', () => {
    expect(localeFor({ locale: 'ja', acceptLanguage: 'fr', country: 'DE' })).toBe('ja');
    expect(localeFor({ locale: 'nl', acceptLanguage: 'fr', country: 'DE' })).toBe('fr');
    expect(localeFor({ locale: 'nl', acceptLanguage: 'sv', country: 'DE' })).toBe('de');
  });

  it('returns an available locale for any input', () => {
    const tag = fc.stringMatching(/^[a-zA-Z]{0,4}([-_][a-zA-Z0-9]{0,9}){0,4}$/);
    const hint = fc.oneof(
      fc.string({ maxLength: 1_000, unit: 'binary' }),
      fc
        .array(fc.tuple(tag, fc.string({ maxLength: 5 })).map(([tag, q]) => `${tag};q=${q}`))
        .map((all) => all.join(',')),
    );
    fc.assert(
      fc.property(
        fc.option(fc.oneof(tag, hint)),
        fc.option(hint),
        fc.string(),
        (locale, acceptLanguage, country) => {
          expect(Object.keys(LOCALES)).toContain(localeFor({ locale, acceptLanguage, country }));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
