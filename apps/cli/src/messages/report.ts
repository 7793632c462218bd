import type { Finding } from '#messaging';

/** One block for each locale, and for each locale of a country: every text with its size, and below it the faults. */
export function reportOf(findings: readonly Finding[]): string {
  const titles = [...new Set(findings.map(titleOf))];
  return titles.map((title) => blockOf(title, findings)).join('\n\n');
}

function titleOf({ locale, country }: Finding): string {
  return country === null ? locale : `${locale}, to numbers of ${country}`;
}

function blockOf(title: string, findings: readonly Finding[]): string {
  const own = findings.filter((finding) => titleOf(finding) === title && isWorthShowing(finding, findings));
  return [title, ...own.flatMap(linesOf)].join('\n');
}

/** The code length matters only to an SMS: other channels are shown with the first length, or when they have a fault. */
function isWorthShowing({ kind, codeLength, faults }: Finding, [first]: readonly Finding[]): boolean {
  return kind === 'sms' || codeLength === first?.codeLength || faults.length > 0;
}

function linesOf({ kind, isOwn, codeLength, text, faults, ...size }: Finding): string[] {
  const isNotice = kind === 'number_changed';
  const sms = `, ${size.encoding}, ${size.characters}/${size.limit}, ${size.segments} ${size.segments === 1 ? 'segment' : 'segments'}`;
  const about = `${isOwn ? ', your own' : ''}${isNotice ? '' : `, code of ${codeLength}`}`;
  return [
    `  ${kind}${about}${kind === 'sms' || isNotice ? sms : ''}`,
    ...text.split('\n').map((line) => `    ${line}`),
    ...faults.map((fault) => `    ✗ ${fault}`),
  ];
}
