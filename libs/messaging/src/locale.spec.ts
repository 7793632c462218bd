import fc from 'fast-check';
import { LOCALE_TAGS } from '#config';
import { localeFor } from './locale.js';

const ALL: Parameters<typeof localeFor>[1] = { locales: LOCALE_TAGS, defaultLocale: null };
const NO_HINTS = { locale: null, acceptLanguage: null, country: '+883' };

describe('localeFor', () => {
  it.each([
    ['fr', 'fr'],
    ['fr-CA', 'fr'],
    ['pt-PT', 'pt'],
    ['zh-Hant-TW', 'zh-Hant'],
    ['zh-Hant', 'zh-Hant'],
    ['zh-TW', 'zh-Hant'],
    ['zh-HK', 'zh-Hant'],
    ['zh-MO', 'zh-Hant'],
    ['zh-hant-hk', 'zh-Hant'],
    ['yue', 'zh-Hant'],
    ['cmn-TW', 'zh-Hant'],
    ['zh-CN', 'zh'],
    ['zh-SG', 'zh'],
    ['zh-Hans-HK', 'zh'],
    ['zh', 'zh'],
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
    expect(localeFor({ ...NO_HINTS, locale }, ALL)).toBe(expected);
  });

  it.each([
    ['de-AT,de;q=0.9,en;q=0.8', 'de'],
    ['zh-TW,zh;q=0.9,en;q=0.8', 'zh-Hant'],
    ['zh-HK', 'zh-Hant'],
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
    expect(localeFor({ ...NO_HINTS, acceptLanguage, country: 'RU' }, ALL)).toBe(expected);
  });

  it.each([
    ['3,000 unavailable languages', `${'nl,'.repeat(3_000)}fr`, 'ru'],
    ['a language of 10,000 letters', `de,${'x'.repeat(10_000)}`, 'de'],
    ['3,000 unclosed quotes', `fr;${'a="'.repeat(3_000)}`, 'fr'],
  ])('reads only the start of an Accept-Language with %s', (_, acceptLanguage, expected) => {
    expect(localeFor({ ...NO_HINTS, acceptLanguage, country: 'RU' }, ALL)).toBe(expected);
  });

  it.each([
    ['BR', 'pt'],
    ['MX', 'es'],
    ['AT', 'de'],
    ['EG', 'ar'],
    ['IN', 'hi'],
    ['TW', 'zh-Hant'],
    ['HK', 'zh-Hant'],
    ['MO', 'zh-Hant'],
    ['CN', 'zh'],
    ['KZ', 'ru'],
    ['NL', 'en'],
    ['UA', 'en'],
    ['ZZ', 'en'],
    ['+883', 'en'],
    ['', 'en'],
  ])('answers a request with only the country %j with %s', (country, expected) => {
    expect(localeFor({ ...NO_HINTS, country }, ALL)).toBe(expected);
  });

  it('prefers the locale of the request to Accept-Language, and Accept-Language to the country', () => {
    expect(localeFor({ locale: 'ja', acceptLanguage: 'fr', country: 'DE' }, ALL)).toBe('ja');
    expect(localeFor({ locale: 'nl', acceptLanguage: 'fr', country: 'DE' }, ALL)).toBe('fr');
    expect(localeFor({ locale: 'nl', acceptLanguage: 'sv', country: 'DE' }, ALL)).toBe('de');
  });

  it.each([
    ['HK', 'zh', 'zh-Hant'],
    ['TW', 'zh', 'zh-Hant'],
    ['MO', 'cmn', 'zh-Hant'],
    ['HK', 'zh-CN', 'zh'],
    ['US', 'zh', 'zh'],
  ])('answers a number of %s that asks for %s with %s', (country, asked, expected) => {
    expect(localeFor({ locale: asked, acceptLanguage: null, country }, ALL)).toBe(expected);
    expect(localeFor({ locale: null, acceptLanguage: asked, country }, ALL)).toBe(expected);
  });

  it.each<
    [locales: string, defaultLocale: string | null, asked: string | null, country: string, expected: string]
  >([
    // The default replaces the country, not the request
    ['ar,de,en,hi', 'en', null, 'IN', 'en'],
    ['ar,de,en,hi', 'en', 'hi', 'IN', 'hi'],
    ['ar,de,en,hi', 'de', 'nl', 'NL', 'de'],
    // Only these languages
    ['en,fr', null, 'de', 'DE', 'en'],
    ['en,fr', 'fr', 'de', 'DE', 'fr'],
    ['en,fr', null, null, 'FR', 'fr'],
    ['fr,ar', null, 'de', 'DE', 'fr'],
    // Never the other script
    ['en,zh', null, 'zh-TW', 'TW', 'en'],
    ['en,zh', null, 'zh', 'HK', 'en'],
    ['en,zh', null, null, 'HK', 'en'],
    ['en,zh-Hant', null, 'zh-CN', 'CN', 'en'],
    ['en,zh-Hant', null, 'zh', 'US', 'zh-Hant'],
  ])('with LOCALES=%s and DEFAULT_LOCALE=%s answers %s from %s with %s', (...row) => {
    const [locales, defaultLocale, locale, country, expected] = row;
    const choice = { locales: locales.split(','), defaultLocale } as typeof ALL;
    expect(localeFor({ locale, acceptLanguage: null, country }, choice)).toBe(expected);
    expect(localeFor({ locale: null, acceptLanguage: locale, country }, choice)).toBe(expected);
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
          expect(LOCALE_TAGS).toContain(localeFor({ locale, acceptLanguage, country }, ALL));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
