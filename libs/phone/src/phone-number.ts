import { type CountryCode, type NumberType, parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** A telephone number in E.164 form (ITU-T E.164): `+`, country code, national number; digits only. */
export type PhoneNumber = string & { readonly __brand: 'PhoneNumber' };

/** An ISO 3166-1 alpha-2 code with a numbering plan, such as `US`. */
export type Region = CountryCode;

/** Where a number belongs and what kind of line it is. */
export interface NumberKind {
  /** An ISO 3166-1 alpha-2 code; `+` and the calling code for numbers of no country, such as satellite phones. */
  readonly country: string;
  /** Whether messages reach it: mobile lines, and lines of plans that do not tell mobile from fixed. */
  readonly isMobile: boolean;
}

const MOBILE: readonly (NumberType | undefined)[] = ['MOBILE', 'FIXED_LINE_OR_MOBILE'];

/** Contact books wrap numbers in marks of writing direction, which nobody sees and copying takes along. */
const INVISIBLE = /\p{Cf}/gu;

/** The longest that ITU-T E.164 allows, the shortest that anybody has: some numbering plans describe others. */
const E164 = /^\+[1-9]\d{6,14}$/;

/**
 * Reads a phone number the way people write it: spaces, hyphens and brackets, any script's digits.
 * One line has one reading, so that one line cannot hold two accounts.
 *
 * @param region where a number without `+` belongs; without one only international numbers are read.
 * @returns null for whatever is not a phone number: unknown ranges, extensions, words.
 */
export function parsePhoneNumber(text: string, region?: Region): PhoneNumber | null {
  const parsed = parsePhoneNumberFromString(withLatinDigits(text).replace(INVISIBLE, '').trim(), {
    defaultCountry: region,
    extract: false,
  });
  if (!parsed?.isValid() || parsed.ext) return null;
  return E164.test(parsed.number) ? (parsed.number as string as PhoneNumber) : null;
}

/** By the numbering plan, without asking anybody. */
export function kindOfNumber(phoneNumber: PhoneNumber): NumberKind {
  const parsed = parsePhoneNumberFromString(phoneNumber);
  const country = parsed?.country ?? `+${parsed?.countryCallingCode}`;
  return { country, isMobile: MOBILE.includes(parsed?.getType()) };
}

/** The block of 10^`digits` numbers that the number is in, as the digits that they begin with. */
export function blockOf(phoneNumber: PhoneNumber, digits: number): string {
  return phoneNumber.slice(0, -digits);
}

/** The text with any script's decimal digits as 0 to 9. NFKC folds full-width digits and signs. */
export function withLatinDigits(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) as number)));
}

/** For logs and people: enough to recognise a number one already knows, too little to dial it. */
export function maskPhoneNumber(phoneNumber: PhoneNumber): string {
  return `${phoneNumber.slice(0, 3)}${'*'.repeat(phoneNumber.length - 5)}${phoneNumber.slice(-2)}`;
}

/** Unicode keeps the ten digits of a script side by side, from zero to nine. */
function digitValue(digit: number): number {
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(digit - before - 1))) before += 1;
  return before % 10;
}
