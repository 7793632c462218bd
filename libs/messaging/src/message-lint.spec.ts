import { LOCALES } from './locales.js';
import { type Finding, lintMessages } from './message-lint.js';
import type { TemplateConfig } from './templates.js';

const PLAIN: TemplateConfig = { brand: 'Latchkey', autofill: null };
const ORIGIN = { origin: 'login.example.com' };
const APP = { appHash: 'FA+9qCX9VSu' };

describe('lintMessages', () => {
  it.each([
    ['no last line', null],
    ['a host', ORIGIN],
    ['an app', APP],
  ])('finds no fault in our own messages with %s', (_, autofill) => {
    const findings = lintMessages({ ...PLAIN, autofill }, [6, 7, 8, 9, 10]);

    expect(findings).toHaveLength(10 * 3 * 5);
    expect(findings.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  it('finds no fault in any single wording', () => {
    const single = Object.entries(LOCALES).flatMap(([locale, { sms }]) =>
      sms.map((wording) => [locale, { ...LOCALES[locale as keyof typeof LOCALES], sms: wording }] as const),
    );

    for (const [locale, wordings] of single) {
      const findings = lintMessages(PLAIN, [10], { [locale]: wordings });
      expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
    }
  });

  it.each(['de', 'en', 'es', 'fr', 'pt'])('keeps every SMS in %s in GSM-7', (locale) => {
    for (const sms of LOCALES[locale as keyof typeof LOCALES].sms) {
      const [finding] = lintMessages(PLAIN, [10], { [locale]: { sms } });
      expect(finding?.encoding).toBe('GSM-7');
    }
  });

  it.each([
    ['no code', 'Your {brand} code', 'does not contain the code'],
    ['no brand', 'Your code is {code}', 'does not say who writes'],
    ['an unknown argument', '{brand}: {code} {name}', /^cannot be written: .*"name"/],
    ['half a template', '{brand}: {code', /^cannot be written: /],
    ['a line more', '{brand}: {code}\nBye', 'does not end in the line for who fills in the code'],
    [
      'much to say',
      `{brand}: {code} ${'é'.repeat(160)}`,
      /^takes 2 segments: 204 characters of GSM-7, of which one holds 160$/,
    ],
  ])('finds %s', (_, sms, fault) => {
    const [finding] = lintMessages({ ...PLAIN, autofill: ORIGIN }, [6], { en: { ...LOCALES.en, sms } });

    expect(finding?.faults).toEqual([expect.stringMatching(fault)]);
  });

  it('finds a text that Android does not read to its end', () => {
    const sms = `{brand}: {code} ${'x'.repeat(115)}`;

    expect(faultsWith(APP, sms)).toEqual(['takes 144 bytes, and Android reads 140']);
    expect(faultsWith(null, sms)).toEqual([]);
  });

  it('finds a second line where nobody fills in anything', () => {
    expect(faultsWith(null, '{brand}: {code}\nBye')).toEqual(['has more than one line']);
  });

  it('blames a fault on the channel that has it', () => {
    const { call: _, ...silent } = LOCALES.en;
    const findings = lintMessages(PLAIN, [6], { en: { ...silent, whatsapp: '{' } });

    expect(findings.map(({ channel, faults }) => [channel, faults])).toEqual([
      ['sms', []],
      ['whatsapp', [expect.stringMatching(/^cannot be written: /)]],
      ['call', ['cannot be written: there is no text']],
    ]);
  });

  function faultsWith(autofill: TemplateConfig['autofill'], sms: string): Finding['faults'] | undefined {
    return lintMessages({ ...PLAIN, autofill }, [6], { en: { sms } })[0]?.faults;
  }
});
