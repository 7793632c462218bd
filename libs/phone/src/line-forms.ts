/** Two spellings of the numbers of one country in E.164 form, of which today's numbering plan knows one. */
interface LineForms {
  /** The other spellings, and what replaces them. The result is parsed again. */
  readonly other: readonly (readonly [form: RegExp, canonical: string])[];
  /** Today's spelling, and the one that an earlier version may have stored an account under. */
  readonly earlier: readonly [canonical: RegExp, form: string];
}

const LINE_FORMS: readonly LineForms[] = [
  // Mexico: 1 before mobile numbers from abroad and 044, 045 and 01 before national ones, until 2019.
  {
    other: [[/^\+52(?:1|01|044|045)([2-9]\d{9})$/, '+52$1']],
    earlier: [/^\+52([2-9]\d{9})$/, '+521$1'],
  },
  // Argentina: 9 before mobile numbers from abroad; 15 after the area code in national ones. No digits are given both to
  // a fixed and to a mobile line, so a number without the 9 is the same line.
  {
    other: [
      [/^\+549(\d{12})$/, '+54$1'],
      [/^\+54([1-3]\d{9})$/, '+549$1'],
    ],
    earlier: [/^\+549([1-3]\d{9})$/, '+54$1'],
  },
  // Brazil: a ninth digit before mobile numbers since 2016. Numbers that start with 7 may lack it today.
  {
    other: [[/^\+55(?<area>\d\d)(?<line>[689]\d{7})$/, '+55$<area>9$<line>']],
    earlier: [/^\+55(\d\d)9([689]\d{7})$/, '+55$1$2'],
  },
  // Benin: 01 before all numbers since 2024.
  { other: [[/^\+229(\d{8})$/, '+22901$1']], earlier: [/^\+22901(\d{8})$/, '+229$1'] },
];

/** Returns the spellings that a number in another or an outdated form could have today, without checking them. */
export function currentFormsOf(number: string): string[] {
  return LINE_FORMS.flatMap(({ other }) => other)
    .filter(([form]) => form.test(number))
    .map(([form, canonical]) => number.replace(form, canonical));
}

/** Returns the other spellings under which an account of this line may have been stored. */
export function earlierFormsOf(phoneNumber: string): string[] {
  return LINE_FORMS.map(({ earlier }) => earlier)
    .filter(([canonical]) => canonical.test(phoneNumber))
    .map(([canonical, form]) => phoneNumber.replace(canonical, form));
}
