import { type CountryCode, type NumberType, parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** A telephone number in E.164 form (ITU-T E.164): `+`, country code, national number; digits only. */
export type PhoneNumber = string & { readonly __brand: 'PhoneNumber' };

/** An ISO 3166-1 alpha-2 code with a numbering plan, such as `US`. */
export type Region = CountryCode;

/** The country and the type of line of a number. */
export interface NumberKind {
  /** An ISO 3166-1 alpha-2 code, or `+` and the calling code for numbers without a country, such as satellite phones. */
  readonly country: string;
  /** True for lines that may receive SMS: mobile lines, and lines of plans that do not separate mobile from fixed. */
  readonly isMobile: boolean;
}

const MOBILE: readonly (NumberType | undefined)[] = ['MOBILE', 'FIXED_LINE_OR_MOBILE'];

/** Contact apps wrap numbers in invisible marks of writing direction, which are copied with the number. */
const INVISIBLE = /\p{Cf}/gu;

/** At most 15 digits (ITU-T E.164), at least the 7 of the shortest numbers in use. Some numbering plans describe others. */
const E164 = /^\+[1-9]\d{6,14}$/;

/**
 * Reads a phone number as people write it: with spaces, hyphens and brackets, and in the digits of any script.
 * Every spelling of a number gives the same result, so that one phone line cannot have two accounts.
 *
 * @param region the country of a number without `+`. Without it only international numbers are accepted.
 * @returns null for anything else: unknown ranges, extensions, words.
 */
export function parsePhoneNumber(text: string, region?: Region): PhoneNumber | null {
  const parsed = parsePhoneNumberFromString(withLatinDigits(text).replace(INVISIBLE, '').trim(), {
    defaultCountry: region,
    extract: false,
  });
  if (!parsed?.isValid() || parsed.ext) return null;
  return E164.test(parsed.number) ? (parsed.number as string as PhoneNumber) : null;
}

/** Classifies a number by the numbering plans alone; does not look up the line. */
export function kindOfNumber(phoneNumber: PhoneNumber): NumberKind {
  const parsed = parsePhoneNumberFromString(phoneNumber);
  const country = parsed?.country ?? `+${parsed?.countryCallingCode}`;
  return { country, isMobile: MOBILE.includes(parsed?.getType()) };
}

/** Returns the prefix that the block of 10^`digits` numbers around this one shares. */
export function blockOf(phoneNumber: PhoneNumber, digits: number): string {
  return phoneNumber.slice(0, -digits);
}

/** Converts the decimal digits of any script to 0–9. NFKC folds full-width digits and signs. */
export function withLatinDigits(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) as number)));
}

/** Masks a number for logs: enough digits to recognise a known number, too few to dial it. */
export function maskPhoneNumber(phoneNumber: PhoneNumber): string {
  return `${phoneNumber.slice(0, 3)}${'*'.repeat(phoneNumber.length - 5)}${phoneNumber.slice(-2)}`;
}

/** Relies on Unicode: the ten digits of a script are adjacent, from zero to nine. */
function digitValue(digit: number): number {
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(digit - before - 1))) before += 1;
  return before % 10;
}
