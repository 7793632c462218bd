import fc from 'fast-check';
import { LOCALES, speechOf } from './locales.js';
import { segmentsOf } from './segments.js';
import { type TemplateConfig, Templates } from './templates.js';

const NONE = { origin: null, appHashes: [] };
const APPS = ['FA+9qCX9VSu', 'AbCdEfGhIjK'];
const PLAIN: TemplateConfig = { brand: 'Latchkey', autofill: NONE };
const SMS = { channel: 'sms', locale: 'en', code: '739145', validForSeconds: 300 } as const;

describe('Templates', () => {
  it.each([
    [300, '5 minutes'],
    [299, '5 minutes'],
    [240, '4 minutes'],
    [89, '1 minute'],
    [54, '1 minute'],
    [1, '1 minute'],
  ])('writes a validity of %d s as %s', (validForSeconds, time) => {
    expect(new Templates(PLAIN).compose({ ...SMS, validForSeconds })).toContain(`good for ${time}.`);
  });

  it.each([
    ['ru', 60, '1 минуту'],
    ['ru', 120, '2 минуты'],
    ['ru', 300, '5 минут'],
    ['ar', 60, 'دقيقة واحدة'],
    ['ar', 120, 'دقيقتين'],
    ['ar', 300, '5 دقائق'],
    ['pt', 60, '1 minuto.'],
    ['ja', 600, '10分'],
  ])('uses the plural forms of %s for %d seconds: %s', (locale, validForSeconds, time) => {
    expect(new Templates(PLAIN).compose({ ...SMS, locale, validForSeconds })).toContain(time);
  });

  it('ends an SMS, and no other message, with the autofill line of the website', () => {
    const templates = new Templates({ ...PLAIN, autofill: { ...NONE, origin: 'login.example.com' } });

    expect(templates.compose(SMS)).toBe(
      '739145 is your Latchkey code, good for 5 minutes. Never share it with anyone.\n@login.example.com #739145',
    );
    expect(templates.compose({ ...SMS, channel: 'whatsapp' })).not.toContain('@');
    expect(templates.compose({ ...SMS, channel: 'call' })).not.toContain('@');
  });

  it.each<[what: string, origin: string | null, appHash: string | null, line: string]>([
    ['the first app', null, null, 'FA+9qCX9VSu'],
    ['the chosen app', null, 'AbCdEfGhIjK', 'AbCdEfGhIjK'],
    ['the website, before any app', 'a.io', null, '@a.io #739145'],
    ['the chosen app, before the website', 'a.io', 'AbCdEfGhIjK', 'AbCdEfGhIjK'],
  ])('ends an SMS with the line of %s', (_, origin, appHash, line) => {
    const templates = new Templates({ ...PLAIN, autofill: { origin, appHashes: APPS } });

    expect(
      templates
        .compose({ ...SMS, appHash })
        .split('\n')
        .slice(1),
    ).toEqual([line]);
    expect(templates.compose({ ...SMS, channel: 'whatsapp', appHash })).not.toContain(line);
  });

  it('chooses the wording for the line that the SMS ends with', () => {
    const templates = new Templates({
      ...PLAIN,
      autofill: { origin: `${'x'.repeat(80)}.io`, appHashes: APPS },
    });

    expect(templates.compose(SMS)).toMatch(/^Latchkey code: 739145\. Do not share it\.\n@x/);
    expect(templates.compose({ ...SMS, appHash: 'FA+9qCX9VSu' })).toMatch(/^739145 is your Latchkey code/);
  });

  it('separates the characters of a code in a call', () => {
    expect(new Templates(PLAIN).compose({ ...SMS, channel: 'call', code: '7QK2M9X4TB' })).toContain(
      ': 7, Q, K, 2, M, 9, X, 4, T, B.',
    );
  });

  it('chooses a shorter wording when the longer ones do not fit one segment', () => {
    const compose = (locale: string, origin: string, code: string) =>
      new Templates({ ...PLAIN, autofill: { ...NONE, origin } }).compose({ ...SMS, locale, code });

    expect(compose('ru', 'a.io', '739145')).toMatch(/^Код Latchkey: 739145\. Никому не сообщайте\.\n/);
    expect(compose('ru', 'login.example.com', '7QK2M9X4TB')).toMatch(
      /^Latchkey: 7QK2M9X4TB\. Не сообщайте код\.\n/,
    );
    expect(compose('ru', 'accounts.some-company.example', '739145')).toMatch(/^Latchkey: 739145\n/);
  });

  it('writes a brand unchanged, even with template syntax in it', () => {
    const brand = fc
      .string({ minLength: 1, maxLength: 32, unit: 'grapheme' })
      .filter((text) => !text.includes('\n'));
    fc.assert(
      fc.property(brand, (brand) => {
        expect(new Templates({ ...PLAIN, brand }).compose(SMS)).toContain(brand);
      }),
    );
    expect(new Templates({ ...PLAIN, brand: "{code} '{' #" }).compose(SMS)).toContain(
      "your {code} '{' # code",
    );
  });

  it('writes English for an unknown locale', () => {
    expect(new Templates(PLAIN).compose({ ...SMS, locale: 'tlh' })).toBe(new Templates(PLAIN).compose(SMS));
  });
});

describe('Texts of a country', () => {
  const INDIA = {
    en: {
      sms: "<#> {code}  is your OTP for <b>{brand}</b>'s <app>.\r\n-EXAMPL",
      number_changed: 'Changed.\n-EXAMPL',
    },
    hi: { sms: '{code} आपका OTP है।' },
  };
  const autofill = { origin: 'login.example.com', appHashes: APPS };
  const templates = new Templates({ ...PLAIN, autofill }, LOCALES, { IN: INDIA });
  const written = (locale: string, country: string | null, more = {}) =>
    templates.compose({ ...SMS, locale, country, ...more });

  it('are written without an addition, whatever app or website asked', () => {
    const exact = "<#> 739145  is your OTP for <b>Latchkey</b>'s <app>.\r\n-EXAMPL";
    expect(written('en', 'IN')).toBe(exact);
    expect(written('en', 'IN', { appHash: 'FA+9qCX9VSu', validForSeconds: 60 })).toBe(exact);
    expect(written('hi', 'IN')).toBe('739145 आपका OTP है।');
  });

  it('replace every language of the channel, and no other channel and country', () => {
    expect(written('de', 'IN')).toBe(written('en', 'IN'));
    expect(written('en', 'IN', { channel: 'whatsapp' })).toContain('Never share it');
    for (const country of ['US', '+870', null])
      expect(written('en', country)).toContain('@login.example.com');
    expect(templates.composeNumberChanged('sms', 'hi', 'IN')).toBe('Changed.\n-EXAMPL');
    const locales = [
      ['sms', 'de', 'IN'],
      ['sms', 'hi', 'IN'],
      ['call', 'de', 'IN'],
      ['sms', 'de', 'DE'],
    ] as const;
    expect(locales.map(([kind, locale, country]) => templates.localeOf(kind, locale, country))).toEqual([
      'en',
      'hi',
      'de',
      'de',
    ]);
  });

  it('are used in their first language if there is none in English', () => {
    const { hi } = INDIA;
    const only = new Templates(PLAIN, LOCALES, { IN: { hi, ar: hi } });
    expect([only.localeOf('sms', 'en', 'IN'), only.localeOf('sms', 'ar', 'IN')]).toEqual(['hi', 'ar']);
  });
});

describe('composeNumberChanged', () => {
  const notice = (locale: string, brand = 'Latchkey', channel: 'sms' | 'call' = 'sms') =>
    new Templates({ ...PLAIN, brand }).composeNumberChanged(channel, locale);

  it.each(Object.entries(LOCALES))(
    'names the brand and fits one SMS in %s, in every wording',
    (locale, texts) => {
      expect(notice(locale)).toContain('Latchkey');
      for (const wording of texts.number_changed) {
        const only = new Templates(PLAIN, { [locale]: { number_changed: wording } });
        const text = only.composeNumberChanged('sms', locale);
        expect([text, segmentsOf(text).segments]).toEqual([expect.stringContaining('Latchkey'), 1]);
      }
    },
  );

  it('takes the shorter wording for a long brand, except in a call', () => {
    const brand = 'B'.repeat(32);
    expect(notice('de', brand)).toBe(
      `${brand}: Die Nummer Ihres Kontos wurde geändert. Waren Sie das nicht? Melden Sie sich bei uns.`,
    );
    expect(notice('de', brand, 'call')).toContain('Wenn Sie das nicht waren');
  });

  it('writes English for an unknown locale', () => {
    expect(notice('tlh')).toBe(notice('en'));
  });
});

describe('speechOf', () => {
  it('returns a language that Twilio speaks for every locale, and English for an unknown one', () => {
    // The values of <Say language> in twilio's VoiceResponse for our locales.
    const spoken = [
      'ar-XA',
      'cmn-CN',
      'cmn-TW',
      'de-DE',
      'en-US',
      'es-ES',
      'fr-FR',
      'hi-IN',
      'ja-JP',
      'pt-BR',
      'ru-RU',
    ];
    expect(Object.keys(LOCALES).map(speechOf).sort()).toEqual(spoken);
    expect(speechOf('constructor')).toBe('en-US');
  });

  it('returns language and region for languages that are not built in', () => {
    expect(['nl', 'it', 'pl', 'sv', 'pt-PT'].map(speechOf)).toEqual([
      'nl-NL',
      'it-IT',
      'pl-PL',
      'sv-SE',
      'pt-PT',
    ]);
  });
});
