import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigurationError, LOCALE_TAGS } from '#config';
import { LOCALES } from './locales.js';
import { lintOwnTexts } from './message-lint.js';
import { localesFor, NO_OWN_TEXTS, readMessages, textsByLocale } from './own-texts.js';

const EXAMPLE = resolve(import.meta.dirname, '../../../docs/messages.example.json');

describe('readMessages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-messages-'));
  const file = join(folder, 'messages.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  const read = (content: unknown) => {
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return readMessages(file);
  };

  it('reads the example, which has no fault', () => {
    const own = readMessages(EXAMPLE);
    expect(Object.keys(own.locales)).toEqual(['en', 'nl']);
    expect(Object.keys(own.countries)).toEqual(['IN']);
    const autofill = { origin: 'login.example.com', appHashes: [] };
    const findings = lintOwnTexts({ brand: 'Example', autofill }, ['739145', '7QK2M9X4TB'], own);
    expect(findings.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  it('reads texts as they are, alone and in lists', () => {
    const sms = ' {code}  it\u2019s\n“{brand}” <#> ';
    const content = {
      locales: { en: { sms: ['{code} long', '{code}'], call: ['{code}'] } },
      countries: { IN: { en: { sms } } },
    };
    expect(read(content)).toEqual({
      locales: { en: { sms: ['{code} long', '{code}'], call: '{code}' } },
      countries: { IN: { en: { sms } } },
    });
    expect([read({}), readMessages(null)]).toEqual([NO_OWN_TEXTS, NO_OWN_TEXTS]);
  });

  it.each<[content: unknown, message: string]>([
    ['{', 'the file is not valid JSON'],
    [[], 'the file must be an object'],
    [{ messages: [] }, '"messages" is not a member of this file: use "locales" and "countries"'],
    [{ locales: [] }, 'locales must be an object'],
    [{ locales: { en: 'x' } }, 'locales.en must be an object'],
    [{ locales: { english: {} } }, 'locales has "english", which is not a language tag such as nl or pt-PT'],
    [{ locales: { EN: {} } }, 'locales has "EN"'],
    ['{"locales": {"__proto__": {}}}', 'locales has "__proto__"'],
    [
      { locales: { en: { fax: '{code}' } } },
      'locales.en has the unknown member "fax": use sms, whatsapp, call, number_changed',
    ],
    [{ locales: { en: { toString: '{code}' } } }, 'locales.en has the unknown member "toString"'],
    [
      { locales: { en: { sms: 1 } } },
      'locales.en.sms must be a text of at most 1000 characters, or a list of such texts',
    ],
    [{ locales: { en: { sms: '' } } }, 'locales.en.sms must be a text'],
    [{ locales: { en: { sms: [] } } }, 'locales.en.sms must be a text'],
    [{ locales: { en: { sms: ['{code}', null] } } }, 'locales.en.sms must be a text'],
    [{ locales: { en: { sms: 'x'.repeat(1_001) } } }, 'locales.en.sms must be a text'],
    [{ locales: { en: { sms: '{code' } } }, 'locales.en.sms is not ICU MessageFormat: check its braces'],
    [
      { countries: { IN: { en: { sms: '{#var#}' } } } },
      'countries.IN.en.sms is not ICU MessageFormat: check its braces',
    ],
    [{ countries: { UK: {} } }, 'countries."UK" is not a country: the United Kingdom is GB'],
    [{ countries: { IN: { sms: '{code}' } } }, 'countries.IN.sms must be an object'],
  ])('does not accept %j', (content, message) => {
    expect(() => read(content)).toThrow(message);
  });

  it('names a missing file by its code', () => {
    expect(() => readMessages(join(folder, 'missing'))).toThrow('the file cannot be read: ENOENT');
  });
});

describe('textsByLocale', () => {
  it('puts the texts of a file over the built-in ones', () => {
    const nl = { sms: '{code}' };
    const texts = textsByLocale({ ...NO_OWN_TEXTS, locales: { en: { sms: '{code} own' }, nl } });
    const { call, whatsapp, number_changed } = LOCALES.en;
    expect(texts.en).toEqual({ call, whatsapp, number_changed, sms: '{code} own' });
    expect(texts.nl).toEqual(nl);
    expect(Object.keys(texts).sort()).toEqual([...LOCALE_TAGS, 'nl'].sort());
  });
});

describe('localesFor', () => {
  const own = { ...NO_OWN_TEXTS, locales: { en: {}, nl: {} } };

  it('returns all languages with texts, or those of LOCALES', () => {
    const unset = { locales: null, defaultLocale: null };
    expect(localesFor(unset, own)).toEqual([...LOCALE_TAGS, 'nl']);
    expect(localesFor({ locales: ['nl', 'en'], defaultLocale: 'nl' }, own)).toEqual(['nl', 'en']);
  });

  it.each([
    [{ locales: ['en', 'sv'], defaultLocale: null }, 'LOCALES'],
    [{ locales: null, defaultLocale: 'sv' }, 'DEFAULT_LOCALE'],
  ])('refuses a language without texts: %j', (settings, name) => {
    expect(() => localesFor(settings, own)).toThrow(ConfigurationError);
    expect(() => localesFor(settings, own)).toThrow(new RegExp(`^${name}: must be .*, nl: `));
  });
});
