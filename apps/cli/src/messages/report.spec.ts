import { LOCALE_TAGS } from '#config';
import { lintMessages } from '#messaging';
import { CODE_LENGTHS, sampleCode } from '#otp';
import { reportOf } from './report.js';

describe('reportOf', () => {
  const config = { brand: 'Latchkey', autofill: { origin: 'login.example.com', appHashes: [] } };

  it('shows all texts of a locale in one block, and the SMS for every code length', () => {
    const blocks = reportOf(lintMessages(config, Object.values(CODE_LENGTHS).map(sampleCode))).split('\n\n');

    expect(blocks).toHaveLength(LOCALE_TAGS.length);
    expect(blocks.find((block) => block.startsWith('de\n'))).toBe(
      [
        'de',
        '  sms, code of 6, GSM-7, 118/160, 1 segment',
        '    739145 ist Ihr Code für Latchkey, gültig für 10 Minuten. Geben Sie ihn an niemanden weiter.',
        '    @login.example.com #739145',
        '  sms, code of 8, GSM-7, 122/160, 1 segment',
        '    73914526 ist Ihr Code für Latchkey, gültig für 10 Minuten. Geben Sie ihn an niemanden weiter.',
        '    @login.example.com #73914526',
        '  sms, code of 10, GSM-7, 126/160, 1 segment',
        '    7QK2M9X4TB ist Ihr Code für Latchkey, gültig für 10 Minuten. Geben Sie ihn an niemanden weiter.',
        '    @login.example.com #7QK2M9X4TB',
        '  whatsapp, code of 6',
        '    739145 ist Ihr Code für Latchkey, gültig für 10 Minuten. Geben Sie ihn an niemanden weiter: Niemand wird Sie danach fragen.',
        '  call, code of 6',
        '    Ihr Code für Latchkey lautet: 7, 3, 9, 1, 4, 5. Geben Sie ihn an niemanden weiter.',
      ].join('\n'),
    );
  });

  it('prints a fault below its text', () => {
    const report = reportOf(lintMessages({ ...config, brand: 'Ж'.repeat(42) }, [sampleCode(6)]));

    expect(report).toMatch(
      /\n {4}@login\.example\.com #739145\n {4}✗ takes 2 segments: 77 characters of UCS-2, /,
    );
  });
});
