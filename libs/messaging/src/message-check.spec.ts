import { ConfigurationError, LOCALE_TAGS, type TwilioConfig } from '#config';
import { checkMessages as check, checkOwnTexts, checkWhatsApp } from './message-check.js';
import { NO_OWN_TEXTS, type OwnTexts } from './own-texts.js';

const NONE = { origin: null, appHashes: [] };
const APPS = ['FA+9qCX9VSu'];
const sampleCodes = { usual: '739145', longest: '7QK2M9X4TB' };
const locales = LOCALE_TAGS;

describe('checkMessages', () => {
  const checkMessages = (options: Omit<Parameters<typeof check>[0], 'ownTexts'>, ownTexts = NO_OWN_TEXTS) =>
    check({ ...options, ownTexts });

  it.each([
    ['Latchkey', NONE],
    ['Latchkey', { ...NONE, origin: 'login.example.com' }],
    ['Latchkey', { ...NONE, appHashes: APPS }],
    ['Ж'.repeat(32), NONE],
    ['支付宝', { ...NONE, origin: 'login.example.com' }],
    ['Ж'.repeat(32), { ...NONE, appHashes: APPS }],
    ['Latchkey', { ...NONE, origin: `accounts.${'x'.repeat(60)}.example` }],
  ])('accepts the brand %s with the autofill setting %j', (brand, autofill) => {
    expect(checkMessages({ brand, autofill, sampleCodes, locales })).toEqual([]);
  });

  it('warns when the longest codes alone do not fit one SMS, and refuses when the usual ones do not', () => {
    const config = { brand: 'Ж'.repeat(32), autofill: { ...NONE, origin: 'login.example.com' } };

    expect(checkMessages({ ...config, sampleCodes, locales })).toEqual([
      'BRAND should be shorter, or use only GSM-7 characters: a code of 10 characters does not fit one SMS in ar, de, en, es, fr, hi, ja, pt, ru, zh, zh-Hant',
    ]);
    expect(checkMessages({ ...config, sampleCodes, locales: ['en'] })).toEqual([
      expect.stringMatching(/ in en$/),
    ]);
    const { longest } = sampleCodes;
    const refused = () => checkMessages({ ...config, sampleCodes: { usual: longest, longest }, locales });
    expect(refused).toThrow(ConfigurationError);
  });

  it.each([
    ['a long origin', 'SMS_ORIGIN', `${'x'.repeat(135)}.com`, 'Latchkey', 'shorter'],
    [
      'a long Cyrillic brand',
      'BRAND',
      `${'x'.repeat(40)}.com`,
      'Ж'.repeat(20),
      'shorter, or use only GSM-7 characters',
    ],
    ['a long Latin brand', 'BRAND', `${'x'.repeat(120)}.com`, 'x'.repeat(32), 'shorter'],
  ])(
    'refuses %s when no SMS fits one segment, and names the variable %s',
    (_, name, origin, brand, advice) => {
      const faults = faultsOf(() =>
        checkMessages({ brand, autofill: { ...NONE, origin }, sampleCodes, locales }),
      );

      const rule = expect.stringContaining(
        `must be ${advice}: a code of 6 characters does not fit one SMS in ar, de,`,
      );
      expect(faults).toEqual([{ name, rule }]);
    },
  );

  it('checks the line of the apps beside that of the website', () => {
    const brand = 'x'.repeat(32);
    const autofill = { origin: 'a.io', appHashes: APPS };
    expect(checkMessages({ brand, autofill, sampleCodes, locales })).toEqual([]);
    expect(() => checkMessages({ brand: 'Ж'.repeat(60), autofill, sampleCodes, locales })).toThrow(
      ConfigurationError,
    );
  });

  it('leaves out the languages whose SMS is replaced', () => {
    const ownTexts: OwnTexts = { ...NO_OWN_TEXTS, locales: { en: { sms: '{code}' } } };
    const config = { brand: 'Ж'.repeat(70), autofill: NONE, sampleCodes };
    expect(checkMessages({ ...config, locales: ['en'] }, ownTexts)).toEqual([]);
    const [fault] = faultsOf(() => checkMessages({ ...config, locales: ['en', 'fr'] }, ownTexts));
    expect(fault?.rule).toMatch(/ in fr$/);
  });
});

function faultsOf(attempt: () => unknown): ConfigurationError['faults'] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
  }
  throw new Error('the configuration was accepted');
}

describe('checkOwnTexts', () => {
  const checkTexts = (ownTexts: Partial<OwnTexts>) =>
    checkOwnTexts({
      ...{ brand: 'Latchkey', autofill: NONE, sampleCodes },
      ownTexts: { ...NO_OWN_TEXTS, ...ownTexts },
    });

  it('names every fault with its member of the file', () => {
    const attempt = () =>
      checkTexts({
        locales: { en: { sms: 'Hello', call: '{code}' }, nl: { whatsapp: 'Hallo' } },
        countries: { IN: { hi: { sms: `{code} ${'ह'.repeat(70)}` } } },
      });
    expect(faultsOf(attempt)).toEqual([
      {
        name: 'MESSAGES_FILE',
        rule:
          'locales.en.sms does not contain the code; locales.nl.whatsapp does not contain the code; ' +
          'countries.IN.hi.sms takes 2 segments: 77 characters of UCS-2, of which one holds 70',
      },
    ]);
  });

  it('warns when only the longest codes do not fit', () => {
    expect(checkTexts({ locales: { en: { sms: `{code}${'x'.repeat(152)}` } } })).toEqual([
      expect.stringMatching(
        /^MESSAGES_FILE: locales\.en\.sms takes 2 segments: 162 .*, with a code of 10 characters$/,
      ),
    ]);
    expect(checkTexts({ locales: { en: { sms: '{code}' } } })).toEqual([]);
  });
});

describe('checkWhatsApp', () => {
  const twilioWith = (contentSid: string | null) =>
    ({ whatsapp: { from: '+15005550007', contentSid } }) as TwilioConfig;

  it('warns of WhatsApp without a template', () => {
    expect(checkWhatsApp({ twilio: twilioWith(null) })).toEqual([
      expect.stringMatching(/^TWILIO_WHATSAPP_CONTENT_SID is not set/),
    ]);
  });

  it('accepts a template, and no WhatsApp at all', () => {
    expect(checkWhatsApp({ twilio: twilioWith(`HX${'0'.repeat(32)}`) })).toEqual([]);
    expect(checkWhatsApp({ twilio: { whatsapp: null } as TwilioConfig })).toEqual([]);
    expect(checkWhatsApp({ twilio: null })).toEqual([]);
  });
});
