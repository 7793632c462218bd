import { LOCALES } from './locales.js';
import { type Finding, lintMessages, lintOwnTexts } from './message-lint.js';
import { NO_OWN_TEXTS, type OwnTexts } from './own-texts.js';
import type { TemplateConfig } from './templates.js';

const NONE = { origin: null, appHashes: [] };
const PLAIN: TemplateConfig = { brand: 'Latchkey', autofill: NONE };
const ORIGIN = { ...NONE, origin: 'login.example.com' };
const APP = { ...NONE, appHashes: ['FA+9qCX9VSu'] };
const SHORT = '739145';
const LONGEST = '7QK2M9X4TB';

describe('lintMessages', () => {
  it.each([
    ['no autofill line', NONE],
    ['the autofill line of a website', ORIGIN],
    ['the autofill line of an app', APP],
  ])('finds no fault in the built-in messages with %s', (_, autofill) => {
    const findings = lintMessages({ ...PLAIN, autofill }, [
      SHORT,
      '7391452',
      '73914526',
      '739145268',
      LONGEST,
    ]);

    expect(findings).toHaveLength(11 * 3 * 5);
    expect(findings.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  it('finds no fault in any wording of the built-in messages', () => {
    const wordingsByLocale = Object.entries(LOCALES).flatMap(([locale, { sms }]) =>
      sms.map((wording) => [locale, { ...LOCALES[locale as keyof typeof LOCALES], sms: wording }] as const),
    );

    for (const [locale, wordings] of wordingsByLocale) {
      const findings = lintMessages(PLAIN, [LONGEST], NO_OWN_TEXTS, { [locale]: wordings });
      expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    }
  });

  it.each(['de', 'en', 'es', 'fr', 'pt'])('reports GSM-7 for every SMS in %s', (locale) => {
    for (const sms of LOCALES[locale as keyof typeof LOCALES].sms) {
      const [finding] = lintMessages(PLAIN, [LONGEST], NO_OWN_TEXTS, { [locale]: { sms } });
      expect(finding?.encoding).toBe('GSM-7');
    }
  });

  it.each([
    ['a missing code', 'Your {brand} code', 'does not contain the code'],
    ['a missing brand', 'Your code is {code}', 'does not contain the brand'],
    ['an unknown argument', '{brand}: {code} {name}', /^has \{name\}, which is none of its arguments/],
    ['an incomplete template', '{brand}: {code', /^cannot be written: /],
    ['an extra line before the autofill line', '{brand}: {code}\nBye', 'does not end with the autofill line'],
    [
      'a text of more than one segment',
      `{brand}: {code} ${'é'.repeat(160)}`,
      /^takes 2 segments: 204 characters of GSM-7, of which one holds 160$/,
    ],
  ])('finds %s', (_, sms, fault) => {
    const [finding] = lintMessages({ ...PLAIN, autofill: ORIGIN }, [SHORT], NO_OWN_TEXTS, {
      en: { ...LOCALES.en, sms },
    });

    expect(finding?.faults).toEqual([expect.stringMatching(fault)]);
  });

  it('finds a text longer than Android reads, where an app reads it', () => {
    const sms = `{brand}: {code} ${'x'.repeat(115)}`;

    expect(faultsWith(APP, sms)).toEqual(['takes 144 bytes, and Android reads 140']);
    expect(faultsWith(NONE, sms)).toEqual([]);
  });

  it('checks an SMS with each line that it may end with', () => {
    const findings = lintMessages(
      { ...PLAIN, autofill: { ...ORIGIN, ...APP, origin: 'a.io' } },
      [SHORT],
      NO_OWN_TEXTS,
      {
        en: LOCALES.en,
      },
    );

    expect(findings.map(({ kind, text }) => [kind, text.split('\n')[1]])).toEqual([
      ['sms', '@a.io #739145'],
      ['sms', 'FA+9qCX9VSu'],
      ['whatsapp', undefined],
      ['call', undefined],
    ]);
  });

  it('finds a second line where autofill is off', () => {
    expect(faultsWith(NONE, '{brand}: {code}\nBye')).toEqual(['has more than one line']);
  });

  it('reports a fault for the channel that has it, and no other', () => {
    const { call: _, ...withoutCall } = LOCALES.en;
    const findings = lintMessages(PLAIN, [SHORT], NO_OWN_TEXTS, { en: { ...withoutCall, whatsapp: '{' } });

    expect(findings.map(({ kind, faults }) => [kind, faults])).toEqual([
      ['sms', []],
      ['whatsapp', [expect.stringMatching(/^cannot be written: /)]],
      ['call', ['cannot be written: there is no text for this channel']],
    ]);
  });

  function faultsWith(autofill: TemplateConfig['autofill'], sms: string): Finding['faults'] | undefined {
    return lintMessages({ ...PLAIN, autofill }, [SHORT], NO_OWN_TEXTS, { en: { sms } })[0]?.faults;
  }
});

describe('lintOwnTexts', () => {
  const SMS_IN_INDIA = 'Dear user, {code} is your OTP.\nRegards, Example';
  const lint = (own: Partial<OwnTexts>, config = PLAIN) =>
    lintOwnTexts(config, [SHORT, LONGEST], { ...NO_OWN_TEXTS, ...own });
  const faultsOf = (own: Partial<OwnTexts>, config = PLAIN) => [
    ...new Set(lint(own, config).flatMap(({ faults }) => faults)),
  ];

  it('checks each text of the file, and replaces the built-in ones', () => {
    const own: OwnTexts = {
      locales: {
        en: { sms: '{code}: your Example code' },
        nl: { sms: 'Uw code is {code}.', number_changed: 'Uw nummer is gewijzigd.' },
      },
      countries: { IN: { en: { sms: SMS_IN_INDIA } } },
    };
    const all = lintMessages(PLAIN, [SHORT], own, { en: LOCALES.en });
    expect(all.map(({ country, locale, kind, isOwn, text }) => [country, locale, kind, isOwn, text])).toEqual(
      [
        [null, 'en', 'whatsapp', false, expect.stringContaining('Latchkey')],
        [null, 'en', 'call', false, expect.stringContaining('Latchkey')],
        [null, 'en', 'sms', true, '739145: your Example code'],
        [null, 'nl', 'sms', true, 'Uw code is 739145.'],
        [null, 'nl', 'number_changed', true, 'Uw nummer is gewijzigd.'],
        ['IN', 'en', 'sms', true, SMS_IN_INDIA.replace('{code}', SHORT)],
      ],
    );
    expect(all.flatMap(({ faults }) => faults)).toEqual([]);
    expect(lint(own, { ...PLAIN, autofill: ORIGIN }).flatMap(({ faults }) => faults)).toEqual([]);
  });

  it.each<[what: string, kind: string, text: string | string[], fault: string | RegExp]>([
    ['a missing code', 'sms', 'Your code', 'does not contain the code'],
    ['a missing code in a call', 'call', 'Your code', 'does not contain the code'],
    [
      'a plural form without the code',
      'sms',
      '{minutes, plural, =3 {no code} other {{brand}: {code}}}',
      'does not contain the code',
    ],
    [
      'an argument that there is not, in one plural form',
      'sms',
      '{minutes, plural, =4 {{code} {nope}} other {{brand}: {code}}}',
      'has {nope}, which is none of its arguments: {code}, {brand} and {minutes}',
    ],
    ['a control character', 'sms', '{brand}: {code}\u0007', 'has a control character'],
    ['a character that reverses the order', 'sms', '{brand}: \u202e{code}', 'has a control character'],
    [
      'a missing code in a wording that is rarely used',
      'sms',
      ['{code}', 'Hello'],
      'does not contain the code',
    ],
    ['an unknown argument', 'sms', '{code} {name}', /^has \{name\}, which is none of its arguments/],
    [
      'a code in the notice',
      'number_changed',
      '{code}',
      'has {code}, which is none of its arguments: {brand}',
    ],
    ['a notice of two segments', 'number_changed', 'x'.repeat(161), /^takes 2 segments/],
    ['a second line', 'sms', '{code}\nBye', 'has more than one line'],
  ])('finds %s', (_, kind, text, fault) => {
    expect(faultsOf({ locales: { en: { [kind]: text } } })).toEqual([expect.stringMatching(fault)]);
  });

  it.each<[what: string, text: string, fault: string | null]>([
    ['several lines', SMS_IN_INDIA, null],
    ['an autofill line of its own', '{code} is your code\n@shop.example #{code}', null],
    ['a missing code', 'Dear user', 'does not contain the code'],
    ['an autofill line at the start', '@shop.example #{code}\nBye', 'does not end with its autofill line'],
    ['an autofill line between others', '{code}\n@a.io #{code}\nBye', 'does not end with its autofill line'],
    ['an autofill line without the code', '{code}\n@a.io #123', 'does not end with its autofill line'],
    ['two segments', `{code} ${'x'.repeat(160)}`, 'takes 2 segments'],
  ])('judges %s in a text of a country, whatever line other texts end with', (_, sms, fault) => {
    const own = { countries: { IN: { en: { sms } } } };
    for (const config of [PLAIN, { ...PLAIN, autofill: ORIGIN }]) {
      const found = faultsOf(own, config).map((each) => each.replace(/:.*/, ''));
      expect([...new Set(found)]).toEqual(fault === null ? [] : [fault]);
    }
  });
});
