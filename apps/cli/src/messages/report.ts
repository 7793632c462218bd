import type { Finding } from '#messaging';

/** One block for each locale: every text with its size, and below it the faults. */
export function reportOf(findings: readonly Finding[]): string {
  const locales = [...new Set(findings.map(({ locale }) => locale))];
  return locales.map((locale) => blockOf(locale, findings)).join('\n\n');
}

function blockOf(locale: string, findings: readonly Finding[]): string {
  const own = findings.filter((finding) => finding.locale === locale && isWorthShowing(finding, findings));
  return [locale, ...own.flatMap(linesOf)].join('\n');
}

/** The code length matters only to an SMS: other channels are shown with the first length, or when they have a fault. */
function isWorthShowing({ channel, codeLength, faults }: Finding, [first]: readonly Finding[]): boolean {
  return channel === 'sms' || codeLength === first?.codeLength || faults.length > 0;
}

function linesOf({ channel, codeLength, text, faults, ...size }: Finding): string[] {
  const sms = `, ${size.encoding}, ${size.characters}/${size.limit}, ${size.segments} ${size.segments === 1 ? 'segment' : 'segments'}`;
  return [
    `  ${channel}, code of ${codeLength}${channel === 'sms' ? sms : ''}`,
    ...text.split('\n').map((line) => `    ${line}`),
    ...faults.map((fault) => `    ✗ ${fault}`),
  ];
}
