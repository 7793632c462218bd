import { LOCALES } from './locales.js';
import { type Finding, lintMessages } from './message-lint.js';
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
      const findings = lintMessages(PLAIN, [LONGEST], { [locale]: wordings });
      expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    }
  });

  it.each(['de', 'en', 'es', 'fr', 'pt'])('reports GSM-7 for every SMS in %s', (locale) => {
    for (const sms of LOCALES[locale as keyof typeof LOCALES].sms) {
      const [finding] = lintMessages(PLAIN, [LONGEST], { [locale]: { sms } });
      expect(finding?.encoding).toBe('GSM-7');
    }
  });

  it.each([
    ['a missing code', 'Your {brand} code', 'does not contain the code'],
    ['a missing brand', 'Your code is {code}', 'does not contain the brand'],
    ['an unknown argument', '{brand}: {code} {name}', /^cannot be written: .*"name"/],
    ['an incomplete template', '{brand}: {code', /^cannot be written: /],
    ['an extra line before the autofill line', '{brand}: {code}\nBye', 'does not end with the autofill line'],
    [
      'a text of more than one segment',
      `{brand}: {code} ${'é'.repeat(160)}`,
      /^takes 2 segments: 204 characters of GSM-7, of which one holds 160$/,
    ],
  ])('finds %s', (_, sms, fault) => {
    const [finding] = lintMessages({ ...PLAIN, autofill: ORIGIN }, [SHORT], { en: { ...LOCALES.en, sms } });

    expect(finding?.faults).toEqual([expect.stringMatching(fault)]);
  });

  it('finds a text longer than Android reads, where an app reads it', () => {
    const sms = `{brand}: {code} ${'x'.repeat(115)}`;

    expect(faultsWith(APP, sms)).toEqual(['takes 144 bytes, and Android reads 140']);
    expect(faultsWith(NONE, sms)).toEqual([]);
  });

  it('checks an SMS with each line that it may end with', () => {
    const findings = lintMessages({ ...PLAIN, autofill: { ...ORIGIN, ...APP, origin: 'a.io' } }, [SHORT], {
      en: LOCALES.en,
    });

    expect(findings.map(({ channel, text }) => [channel, text.split('\n')[1]])).toEqual([
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
    const findings = lintMessages(PLAIN, [SHORT], { en: { ...withoutCall, whatsapp: '{' } });

    expect(findings.map(({ channel, faults }) => [channel, faults])).toEqual([
      ['sms', []],
      ['whatsapp', [expect.stringMatching(/^cannot be written: /)]],
      ['call', ['cannot be written: there is no text for this channel']],
    ]);
  });

  function faultsWith(autofill: TemplateConfig['autofill'], sms: string): Finding['faults'] | undefined {
    return lintMessages({ ...PLAIN, autofill }, [SHORT], { en: { sms } })[0]?.faults;
  }
});
