import fc from 'fast-check';
import { LOCALES, speechOf } from './locales.js';
import { type TemplateConfig, Templates } from './templates.js';

const PLAIN: TemplateConfig = { brand: 'Latchkey', autofill: null };
const SMS = { channel: 'sms', locale: 'en', code: '739145', validForSeconds: 300 } as const;

describe('Templates', () => {
  it.each([
    [300, '5 minutes'],
    [299, '5 minutes'],
    [240, '4 minutes'],
    [89, '1 minute'],
    [54, '1 minute'],
    [1, '1 minute'],
  ])('with %d seconds left says %s', (validForSeconds, time) => {
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
  ])('counts the minutes as %s does: %d s', (locale, validForSeconds, time) => {
    expect(new Templates(PLAIN).compose({ ...SMS, locale, validForSeconds })).toContain(time);
  });

  it('ends an SMS, and nothing else, in the line that browsers fill the code in by', () => {
    const templates = new Templates({ ...PLAIN, autofill: { origin: 'login.example.com' } });

    expect(templates.compose(SMS)).toBe(
      '739145 is your Latchkey code, good for 5 minutes. Never share it with anyone.\n@login.example.com #739145',
    );
    expect(templates.compose({ ...SMS, channel: 'whatsapp' })).not.toContain('@');
    expect(templates.compose({ ...SMS, channel: 'call' })).not.toContain('@');
  });

  it('ends an SMS in the hash that an app is known by', () => {
    const templates = new Templates({ ...PLAIN, autofill: { appHash: 'FA+9qCX9VSu' } });

    expect(templates.compose(SMS)).toMatch(/anyone\.\nFA\+9qCX9VSu$/);
  });

  it('says the characters of a code one by one', () => {
    expect(new Templates(PLAIN).compose({ ...SMS, channel: 'call', code: '7QK2M9X4TB' })).toContain(
      ': 7, Q, K, 2, M, 9, X, 4, T, B.',
    );
  });

  it('takes a shorter wording where the longer ones do not fit one segment', () => {
    const compose = (locale: string, origin: string, code: string) =>
      new Templates({ ...PLAIN, autofill: { origin } }).compose({ ...SMS, locale, code });

    expect(compose('ru', 'a.io', '739145')).toMatch(/^Код Latchkey: 739145\. Никому не сообщайте\.\n/);
    expect(compose('ru', 'login.example.com', '7QK2M9X4TB')).toMatch(
      /^Latchkey: 7QK2M9X4TB\. Не сообщайте код\.\n/,
    );
    expect(compose('ru', 'accounts.some-company.example', '739145')).toMatch(/^Latchkey: 739145\n/);
  });

  it('takes a brand as it is', () => {
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

  it('writes English to a locale that there is no more', () => {
    expect(new Templates(PLAIN).compose({ ...SMS, locale: 'tlh' })).toBe(new Templates(PLAIN).compose(SMS));
  });

  it('names a language that Twilio speaks for every locale', () => {
    // The type of <Say language> in twilio's VoiceResponse, as far as it concerns us.
    const spoken = [
      'ar-XA',
      'cmn-CN',
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
});
